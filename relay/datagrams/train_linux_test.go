package datagrams_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"zocalo/internal/sys"
	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

func joins(s *socket.Socket) error { return option.UDPGRO.Set(s, true) }

// numbered is n datagrams of that size, one after the other, each full of its
// number, and a shorter one at the end if last is not 0.
func numbered(n, size, last int) []byte {
	var b []byte
	for i := range n {
		b = append(b, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	return append(b, bytes.Repeat([]byte{'l'}, last)...)
}

func sendTrain(t testing.TB, s *socket.Socket, data []byte, segment int) {
	t.Helper()
	m := socket.Message{SegmentSize: segment}
	m.SetData(data)
	if _, err := s.Send(&m); err != nil {
		t.Fatal(err)
	}
}

// receiveTrain returns the next message, and the sizes of its datagrams.
func receiveTrain(t testing.TB, s *socket.Socket) (data []byte, sizes []int) {
	t.Helper()
	var m socket.Message
	m.SetData(make([]byte, 1<<16))
	try(t, s.Receive(&m))
	for d := range m.Segments() {
		data = append(data, d...)
		sizes = append(sizes, len(d))
	}
	return data, sizes
}

// A train passes both ways as one message, with its boundaries.
func TestTrainsPassUncut(t *testing.T) {
	if os.Getenv("ZOCALO_NO_GSO")+os.Getenv("ZOCALO_NO_GRO") != "" {
		t.Skip("trains are switched off")
	}
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, c := range []struct{ n, size, last int }{{2, 1, 0}, {40, 1200, 700}, {54, 1200, 0}, {64, 100, 0}, {44, 1452, 3}} {
			target, front := bound(t, at, joins), bound(t, at)
			r := &datagrams.Relay{Dial: to(target.Name())}
			name := front.Name()
			stop := start(t, r, front)
			p := connected(t, name)
			try(t, joins(p))
			says(t, p, "hola")
			hears(t, target, "hola")
			try(t, target.Connect(t.Context(), r.Sessions()[0].Local))

			want := numbered(c.n, c.size, c.last)
			datagrams := c.n
			if c.last > 0 {
				datagrams++
			}
			for _, way := range [][2]*socket.Socket{{p, target}, {target, p}} {
				sendTrain(t, way[0], want, c.size)
				data, sizes := receiveTrain(t, way[1])
				if len(sizes) != datagrams || sizes[0] != c.size || !bytes.Equal(data, want) {
					t.Errorf("%s: %+v came as datagrams of %v bytes", at, c, sizes)
				}
			}
			stop()
			n := r.Totals()
			if n.From[outcome.A].Messages != int64(datagrams)+1 || n.From[outcome.B].Messages != int64(datagrams) || n.From[outcome.B].Bytes != int64(len(want)) {
				t.Errorf("totals: %+v, want %d datagrams", n, datagrams)
			}
		}
	}
}

// Messages of one size that come one by one leave as a train; those of other
// sizes, and empty ones, stay what they are.
func TestRunsAreJoined(t *testing.T) {
	if os.Getenv("ZOCALO_NO_GSO") != "" {
		t.Skip("trains are switched off")
	}
	target, front := bound(t, "127.0.0.1:0", joins), bound(t, "127.0.0.1:0")
	r := &datagrams.Relay{Dial: to(target.Name())}
	name := front.Name()
	p := connected(t, name)
	sizes := []int{100, 100, 100, 60, 100, 200, 200, 0, 0, 200, 200, 7}
	for i, n := range sizes { // before anybody reads: one batch
		says(t, p, string(bytes.Repeat([]byte{byte('a' + i)}, n)))
	}
	start(t, r, front)
	for _, train := range [][]int{{100, 100, 100, 60}, {100}, {200, 200}, {0}, {0}, {200, 200, 7}} {
		if _, got := receiveTrain(t, target); !slices.Equal(got, train) {
			t.Fatalf("datagrams of %v bytes came together, want %v", got, train)
		}
	}
}

// The same program with trains switched off in its environment.
func TestSwitchedOff(t *testing.T) {
	for _, off := range []string{"ZOCALO_NO_GSO=1", "ZOCALO_NO_GRO=1"} {
		t.Run(off, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run", "^TestCutInto$", "-test.v")
			c.Env = append(os.Environ(), off, "CUT=1")
			if out, err := c.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestCutInto")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// What TestSwitchedOff runs: a train arrives, and none is seen where it is
// switched off.
func TestCutInto(t *testing.T) {
	if os.Getenv("CUT") == "" {
		t.Skip("is for TestSwitchedOff")
	}
	trains := countTrains(t)
	target, front := bound(t, "127.0.0.1:0", joins), bound(t, "127.0.0.1:0")
	passes(t, front, target)
	if n := trains.Load(); n > 0 && os.Getenv("ZOCALO_NO_GSO") != "" {
		t.Errorf("%d trains left", n)
	}
	if on := front.Offloads().Receive.On; on && os.Getenv("ZOCALO_NO_GRO") != "" {
		t.Error("trains are received")
	}
}

// passes sends 31 datagrams through a relay, which must arrive whole, in
// order and with their boundaries, then 31 answers.
func passes(t *testing.T, front, target *socket.Socket) *datagrams.Relay {
	t.Helper()
	const size = 1200
	r := &datagrams.Relay{Dial: to(target.Name())}
	p := connected(t, front.Name())
	want := numbered(30, size, 17)
	for at := 0; at < len(want); at += size { // before anybody reads: one batch
		says(t, p, string(want[at:min(at+size, len(want))]))
	}
	start(t, r, front)
	arrives(t, target, want, size)
	try(t, target.Connect(t.Context(), r.Sessions()[0].Local))
	for at := 0; at < len(want); at += size {
		says(t, target, string(want[at:min(at+size, len(want))]))
	}
	arrives(t, p, want, size)
	until(t, "all is counted", func() bool { return r.Totals().From[outcome.B].Messages == 31 })
	if n := r.Totals(); n.From[outcome.A].Messages != 31 || lost(n) != 0 || n.From[outcome.A].Refused != 0 {
		t.Errorf("totals: %+v", n)
	}
	return r
}

func arrives(t *testing.T, s *socket.Socket, want []byte, size int) {
	t.Helper()
	var got []byte
	for len(got) < len(want) {
		data, sizes := receiveTrain(t, s)
		for i, n := range sizes {
			if last := len(got)+len(data) == len(want) && i == len(sizes)-1; n != size && !last {
				t.Fatalf("a datagram of %d bytes", n)
			}
		}
		got = append(got, data...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the bytes that arrived are not those that were sent")
	}
}

// countTrains counts the sends that hold a train.
func countTrains(t testing.TB) *atomic.Int64 {
	var trains atomic.Int64
	datagrams.BeforeSend(t, func(ms []sys.Msg) (int, syscall.Errno) {
		for i := range ms {
			if len(ms[i].Control) > 0 {
				trains.Add(1)
			}
		}
		return len(ms), 0
	})
	return &trains
}
