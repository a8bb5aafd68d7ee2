package iperf3

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"zocalo/bench"
	"zocalo/socket"
)

// What nobody asked for is not sent: servers up to 3.9 take a burst of 1 for
// one of nothing, or for no rate. From 3.18 on they check types.
func TestParametersForAllVersions(t *testing.T) {
	for want, test := range map[string]Test{
		`{"tcp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":1,"len":131072,"pacing_timer":1000,"client_version":"3.12"}`: {},
		`{"udp":true,"omit":0,"time":10,"num":0,"blockcount":0,"parallel":1,"reverse":true,"len":1000,"pacing_timer":1000,"burst":5,` +
			`"get_server_output":1,"udp_counters_64bit":1,"zerocopy":1,"dont_fragment":1,"client_version":"3.12"}`: {
			UDP: true, Direction: bench.Reverse, Size: 1000, Burst: 5, WantsOutput: true, Counters64: true, ZeroCopy: true, DontCut: true,
		},
	} {
		test.complete(0)
		if got, err := json.Marshal(test.parameters()); err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

// A time of 0 is a test without end, and none is what the server has for one.
func TestTimesOfClients(t *testing.T) {
	for text, want := range map[string]Test{
		`{"tcp":true,"time":0,"len":1000}`:            {Endless: true},
		`{"tcp":true,"time":0,"num":1000,"len":1000}`: {Bytes: 1000},
		`{"tcp":true,"num":1000,"len":1000}`:          {Bytes: 1000},
		`{"tcp":true,"len":1000}`:                     {Duration: DefaultDuration},
	} {
		p := assumed()
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		got, refused := p.test()
		if refused != nil || got.Endless != want.Endless || got.Duration != want.Duration || got.Bytes != want.Bytes || got.Flows != 1 {
			t.Errorf("%s is %+v, %v", text, got, refused)
		}
	}
}

// A server of 3.1 tells no times, one of 3.14 what was lost in the time to omit
// too, and what it lost of that.
func TestResultsOfAllVersions(t *testing.T) {
	for text, want := range map[string]Flow{
		`{"id":1,"bytes":1000,"errors":0,"packets":10}`: {Bytes: 1000, Elapsed: time.Second, Packets: 10, Retransmits: -1},
		`{"id":1,"bytes":500,"retransmits":0,"errors":7,"omitted_errors":4,"packets":12,"omitted_packets":4,"start_time":0,"end_time":2}`: {
			Bytes: 500, Elapsed: 2 * time.Second, Packets: 8, Lost: 3},
	} {
		var w results
		if err := json.Unmarshal([]byte(`{"streams":[`+text+`]}`), &w); err != nil {
			t.Fatal(err)
		}
		p := &Report{Test: Test{UDP: true, Size: 100}, Near: End{Flows: []Flow{{ID: 1, Sends: true, Elapsed: time.Second}}}}
		if err := p.hear(&w); err != nil {
			t.Fatal(err)
		}
		want.ID = 1
		if got := p.Far.Flows[0]; got != want {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
}

// Why a server refuses comes with the system's error or without.
func TestReasonOfServer(t *testing.T) {
	for said, part := range map[string]string{
		"\xfe\x00\x00\x00\x8e":                 "user name",
		"\xfe\x00\x00\x00\x82\x00\x00\x00\x01": "window could not be set (operation not permitted)",
		"\xfe\x00\x00":                         "did not say why",
	} {
		a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.Write([]byte(said))
		b.Close()
		c := control{a, patience}
		if err := c.expect(paramExchange); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, want %q", said, err, part)
		}
		a.Close()
	}
}

// What the time to omit lost and delayed does not count after it.
func TestArrivalsAfterOmitted(t *testing.T) {
	f := &flow{}
	for _, n := range []int64{1, 2, 5, 8} {
		f.arrived.add(n, time.Duration(n)*time.Millisecond)
	}
	f.rebase()
	for _, n := range []int64{3, 4, 9, 6, 7, 11} {
		if counts := f.arrived.add(n, 0); counts != (n > 8) {
			t.Errorf("datagram %d counts: %v", n, counts)
		}
	}
	f.last = f.mark()
	if a := f.arrived; a.lost != 1 || a.late != 0 || a.jitter != 0 {
		t.Errorf("%+v", a)
	}
	if w := f.wire(time.Second, true); w.Packets != 11 || *w.OmittedPackets != 8 || w.Lost != 1 || *w.OmittedLost != 0 {
		t.Errorf("%+v", w)
	}
}

// The server's output has sizes of one unit.
func TestOutput(t *testing.T) {
	p := &Report{Near: End{Flows: []Flow{{ID: 1, Bytes: 10 << 20, Elapsed: time.Second, Retransmits: -1}}}}
	if got := p.text(socket.Name{}); !strings.Contains(got, "10.5 MB     83.9 Mbits/sec  receiver\n") {
		t.Error(got)
	}
}
