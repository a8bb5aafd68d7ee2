package bench

import (
	"strings"
	"testing"
	"time"
)

// TestServerLimits asks for more than a server allows, which is refused, and for no rate, which is kept to
// the server's.
func TestServerLimits(t *testing.T) {
	const most = 80_000_000 // at which what is in buffers is read soon
	quiet := make(chan struct{}, 100)
	timed := &Server{Patience: time.Second, MaxTime: time.Second, OnQuiet: func() { quiet <- struct{}{} }}
	rated := &Server{MaxRate: most}
	tcp, udp := serve(t, rated, "tcp:127.0.0.1:0"), serve(t, rated, "udp:127.0.0.1:0")
	short, shortUDP := serve(t, timed, "tcp:127.0.0.1:0"), serve(t, timed, "udp:127.0.0.1:0")
	for _, c := range []struct {
		dial Dial
		o    Options
		want string
	}{
		{short, Options{Mode: Stream, Duration: 2 * time.Second}, "runs: at most 1 s"},
		{shortUDP, Options{Mode: Stream, Direction: Reverse, Duration: time.Second, WarmUp: time.Second}, "runs: at most 1 s"},
		{tcp, Options{Mode: Stream, Rate: 20000, Size: 1000, Duration: 100 * time.Millisecond}, "streams: at most 80 Mbit/s"},
		{udp, Options{Mode: Stream, Size: 1000, Duration: 100 * time.Millisecond}, "streams: at most 80 Mbit/s"},
	} {
		if r, err := Run(t.Context(), c.dial, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, %v; want %q", c.o, r, err, c.want)
		}
	}
	// What is in buffers comes beside what is read at the rate.
	const buffers = 8 << 20
	for _, c := range []struct {
		dial Dial
		o    Options
	}{
		{tcp, Options{Mode: Stream, Duration: 900 * time.Millisecond, WarmUp: -1}},
		{tcp, Options{Mode: Stream, Direction: Reverse, Duration: 900 * time.Millisecond, WarmUp: -1}},
		{udp, Options{Mode: Stream, Direction: Reverse, Size: 1000, Duration: 900 * time.Millisecond, WarmUp: -1}},
		{udp, Options{Mode: Stream, Rate: 500, Size: 1000, Duration: 500 * time.Millisecond, WarmUp: -1}},
	} {
		r := measure(t, c.dial, c.o)
		got := r.Far.Received
		if c.o.Direction == Reverse {
			got = r.Near.Received
		}
		if got.Bytes == 0 || float64(got.Bytes) > most/8*(r.Elapsed+time.Second).Seconds()+buffers {
			t.Errorf("%+v: %d bytes in %v", c.o, got.Bytes, got.Elapsed)
		}
	}
	// Messages are counted without an end in time, and what goes on too long is reset.
	if r, err := Run(t.Context(), short, Options{Mode: RoundTrip, Count: 1 << 40}); err == nil {
		t.Errorf("round trips went on: %+v", r.Elapsed)
	}
	<-quiet
}
