package iperf3

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zocalo"
	"zocalo/bench"
	"zocalo/socket"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]number{
		"0": 0, "-1": -1, "18446744073709551615": -1, "1e3": 1000, "9007199254740993": 9007199254740993, "true": 1, "false": 0, "null": 0,
		"1.9": 1, "1.8446744073709549e+19": -2048, "1e18": 1e18,
	} {
		var n number
		if err := json.Unmarshal([]byte(text), &n); err != nil || n != want && text != "null" {
			t.Errorf("%s is %d, %v; want %d", text, n, err, want)
		}
	}
	for _, text := range []string{`"1"`, "[]", "1e400", "1e300", "-1e300", "{}"} {
		var n number
		if err := json.Unmarshal([]byte(text), &n); err == nil {
			t.Errorf("%s is %d", text, n)
		}
	}
	var f flag
	if err := json.Unmarshal([]byte("2"), &f); err == nil {
		t.Error("2 is a flag")
	}
}

// What one side writes of a test the other reads as the same.
func TestParametersThereAndBack(t *testing.T) {
	for name, test := range clientTests {
		test.complete(1448)
		want := test
		want.Interval = 0
		text, err := json.Marshal(test.parameters())
		if err != nil {
			t.Fatal(err)
		}
		var p parameters
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		got, refused := p.test()
		if refused != nil || *got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, refused, want)
		}
	}
}

// What the stock client sends, seen on the wire.
func TestStockParameters(t *testing.T) {
	var p parameters
	if err := json.Unmarshal([]byte(`{"tcp":true,"omit":0,"time":0,"num":1048576,"blockcount":0,"MSS":1000,"parallel":2,"reverse":true,"window":102400,"len":131072,"bandwidth":100000000,"pacing_timer":1000,"congestion":"cubic","zerocopy":1,"client_version":"3.12"}`), &p); err != nil {
		t.Fatal(err)
	}
	got, refused := p.test()
	want := Test{Direction: bench.Reverse, Flows: 2, Bytes: 1 << 20, Size: 128 << 10, Rate: 1e8, Window: 102400, Segment: 1000, Congestion: "cubic", ZeroCopy: true}
	if refused != nil || *got != want {
		t.Errorf("%+v, %v", got, refused)
	}
}

func FuzzParameters(f *testing.F) {
	f.Add([]byte(`{"udp":true,"omit":1,"time":1,"parallel":2,"len":1000,"bandwidth":1000000,"udp_counters_64bit":1}`))
	f.Add([]byte(`{"tcp":1,"num":18446744073709551615,"blockcount":1e30,"len":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p parameters
		if json.Unmarshal(text, &p) != nil {
			return
		}
		got, refused := p.test()
		if refused != nil {
			return
		}
		if got.Flows < 1 || got.Flows > maxFlows || got.Size < 1 || got.Size > maxBlock || got.Duration < 0 || got.Duration > maxDuration ||
			got.Rate < 0 || got.Burst < 0 || got.Burst > maxBurst || !got.counted() && !got.Endless && got.Duration == 0 || got.batch() < 1 || got.target() < 0 {
			t.Errorf("%s is taken for %+v", text, got)
		}
	})
}

func FuzzResults(f *testing.F) {
	f.Add([]byte(`{"cpu_util_total":9.1,"sender_has_retransmits":18446744073709551615,"server_output_text":"x","streams":[{"id":1,"bytes":1000,"retransmits":-1,"jitter":1e-5,"errors":1,"packets":2,"start_time":0,"end_time":1.5}]}`))
	f.Add([]byte(`{"streams":[{"id":1,"end_time":1e308,"start_time":-1e308,"jitter":-1,"bytes":-5,"packets":-1,"omitted_packets":3}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var w results
		if json.Unmarshal(text, &w) != nil {
			return
		}
		p := &Report{Test: Test{UDP: true, Size: 100}, Near: End{Flows: []Flow{{ID: 1, Sends: true}}}}
		if p.hear(&w) != nil {
			return
		}
		got := p.Far.Flows[0]
		if got.Bytes < 0 || got.Packets < 0 || got.Lost < 0 || got.Elapsed < 0 || got.Elapsed > day || got.Jitter < 0 || got.Retransmits < -1 {
			t.Errorf("%s is taken for %+v", text, got)
		}
		if strings.ContainsAny(p.Output+p.Far.Congestion, "\x1b\x00\r") {
			t.Errorf("%q may change a terminal", p.Output)
		}
		p.Far.Received()
	})
}

// Whatever a server says, the client ends: with an error unless it is iperf3.
func FuzzClientControl(f *testing.F) {
	f.Add([]byte{9, 10, 1, 2, 13})
	f.Add([]byte{0xfe, 0, 0, 0, 27, 0, 0, 0, 5})
	f.Add([]byte{9, 10, 1, 2, 0xff})
	f.Fuzz(func(t *testing.T, said []byte) {
		a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b.Write(said[:min(len(said), 1000)])
		b.CloseWrite()
		defer b.Close()
		c := control{a, time.Second}
		for {
			s, err := c.state()
			if err != nil {
				return
			}
			if s == exchangeResults {
				var w results
				if c.receiveJSON(&w, 100, "the results") != nil {
					return
				}
			}
			if err := c.refusal(s, testEnd); err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v: %v", s, err)
			}
		}
	})
}

func TestReadSized(t *testing.T) {
	for text, want := range map[string]string{"\x00\x00\x00\x02{}": "{}", "\x00\x00\x00\x00": ""} {
		if got, err := readSized(strings.NewReader(text), 10); string(got) != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, text := range []string{"", "\x00", "\x00\x00\x00\x0b12345678901", "\x00\x00\x00\x02{", "\xff\xff\xff\xff"} {
		if got, err := readSized(strings.NewReader(text), 10); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
	// What is announced and does not come takes no memory.
	size := binary.BigEndian.AppendUint32(nil, mostResults)
	allocated := testing.AllocsPerRun(1, func() { readSized(bytes.NewReader(size), mostResults) })
	if allocated > 10 {
		t.Errorf("%v allocations", allocated)
	}
	_, err := readSized(bytes.NewReader(size), mostResults)
	if err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// Datagrams lost, late and repeated are counted as iperf3 counts them.
func TestArrivals(t *testing.T) {
	var a arrivals
	for _, n := range []int64{1, 2, 5, 3, 6, 6, 7} {
		a.add(n, 0)
	}
	// 3 and 4 are missed at 5; 3 comes late; 6 comes twice, which iperf3 takes
	// for a late one too.
	if a.greatest != 7 || a.lost != 0 || a.late != 2 || a.jitter != 0 {
		t.Errorf("%+v", a)
	}
	var b arrivals
	for n := range int64(160) {
		b.add(n+1, time.Duration(n%2)*time.Millisecond)
	}
	if b.jitter < 0.00099 || b.jitter > 0.001 {
		t.Errorf("jitter %v, want close to 1 ms", b.jitter)
	}
}

func TestAllowance(t *testing.T) {
	r := newRun(&Test{Bytes: 2500, Size: 1000})
	for _, want := range [][2]int{{2, 1000}, {1, 500}, {0, 0}, {0, 0}} {
		if n, last := r.allowance(2, 1000); [2]int{n, last} != want {
			t.Errorf("%d blocks, the last of %d; want %v", n, last, want)
		}
	}
	r = newRun(&Test{Blocks: 3, Size: 1000})
	for _, want := range []int{2, 1, 0, 0} {
		if n, last := r.allowance(2, 1000); n != want || last != 1000 {
			t.Errorf("%d blocks of %d, want %d", n, last, want)
		}
	}
	r = newRun(&Test{Duration: 1, Size: 1000})
	if n, last := r.allowance(2, 1000); n != 2 || last != 1000 {
		t.Error(n, last)
	}
}

// A flow keeps to its rate exactly where the clock does.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(8000, 2) // 1000 bytes a second
		defer p.stop()
		stop := make(chan struct{})
		begun := time.Now()
		for range 10 {
			n := p.wait(100, 8, stop)
			p.sent += int64(100 * n)
		}
		if p.sent != 2000 || time.Since(begun) != 1800*time.Millisecond {
			t.Errorf("%d bytes in %v", p.sent, time.Since(begun))
		}
		time.Sleep(time.Second) // what was missed is made up for
		if n := p.wait(100, 8, stop); n != 8 {
			t.Errorf("%d blocks after a second", n)
		}
		p.sent += 1000000
		close(stop)
		if n := p.wait(100, 8, stop); n != 0 {
			t.Errorf("%d blocks after the end", n)
		}
	})
}

// Neither writes nor reads, nor batches of datagrams, allocate.
func TestAllocations(t *testing.T) {
	near, far, err := socket.Pair(socket.Unix, socket.Datagram, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	defer far.Close()
	test := &Test{UDP: true, Size: 1000, Duration: time.Second, Counters64: true}
	test.complete(0)
	r := newRun(test)
	f := &flow{s: near}
	ms, in := test.messages(), test.messages()
	ms, in = ms[:2], in[:2]
	p := newPace(test.Rate, test.Burst)
	allocated := testing.AllocsPerRun(100, func() {
		n, last := r.allowance(p.wait(test.Size, len(ms), r.stop), test.Size)
		for i := range ms[:n] {
			test.seal(ms[i].Buffers[0][:last], time.Now(), int64(i+1))
		}
		if sent, err := r.sendAll(f, ms[:n]); sent != 2 || err != nil {
			t.Fatal(sent, err)
		}
		for got := 0; got < 2; {
			n, err := far.ReceiveBatch(in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range in[:n] {
				sent, number, ok := test.open(in[i].Buffers[0][:in[i].N])
				if !ok {
					t.Fatal("no header")
				}
				f.arrived.add(number, time.Duration(time.Now().UnixNano())-sent)
				r.count(f, in[i].N, 0)
			}
			got += n
		}
	})
	if allocated > 0 {
		t.Errorf("%v allocations for two datagrams", allocated)
	}
}

// A server that says nothing is given up after as long as the client's patience.
func TestSilentServer(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0") // and accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &Client{Address: parsed("tcp:" + l.Name().String()), Patience: 20 * time.Millisecond}
	if _, err := c.Run(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 20 ms: is an iperf3 server there?") {
		t.Errorf("it ended: %v", err)
	}
}
