package bench

import (
	"context"
	"sync"
	"testing"
	"time"

	"zocalo/socket"
)

// TestManyFlows makes round trips over more flows than get a thread each.
func TestManyFlows(t *testing.T) {
	for _, text := range []string{"tcp:127.0.0.1:0", "unix:" + t.TempDir() + "/s"} {
		for _, o := range []Options{
			{Mode: RoundTrip, Flows: 100, Count: 2000}, {Mode: RoundTrip, Flows: 50, Count: 2000, Depth: 4}, {Mode: RoundTrip, Flows: 40, Count: 400, Size: 40_000},
		} {
			r := measure(t, serve(t, &Server{}, text), o)
			if r.Latency.Count() != o.Count || r.Unanswered != 0 || r.Near.Received.Messages != o.Count {
				t.Errorf("%s, %d flows: %d answered, %d not, of %d", text, o.Flows, r.Latency.Count(), r.Unanswered, o.Count)
			}
		}
	}
}

// TestManyFlowsEnd sees that many flows end with their server, or
// when it is silent, or when the run is interrupted.
func TestManyFlowsEnd(t *testing.T) {
	serving, gone := context.WithCancel(t.Context())
	defer gone()
	dial := func(serve func(*socket.Socket)) Dial {
		return func(context.Context) (*socket.Socket, error) {
			a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
			if err == nil {
				go func() { defer b.Close(); serve(b) }()
			}
			return a, err
		}
	}
	var once sync.Once
	o := Options{Mode: RoundTrip, Flows: 40, Duration: time.Hour, WarmUp: -1, Interval: 20 * time.Millisecond, Patience: 20 * time.Second}
	o.OnInterval = func(Interval) { once.Do(gone) }
	s := &Server{}
	if r, err := Run(t.Context(), dial(func(c *socket.Socket) { s.Handle(serving, c) }), o); err == nil {
		t.Errorf("goes on without a server: %+v", r)
	}
	silent := func(c *socket.Socket) { // answers the greeting alone
		b := make([]byte, greetingSize)
		for n := 0; ; n++ {
			k, err := c.Read(b)
			if err != nil {
				return
			}
			if n == 0 {
				c.Write(b[:k])
			}
		}
	}
	o.OnInterval, o.Patience = nil, 200*time.Millisecond
	if _, err := Run(t.Context(), dial(silent), o); err == nil {
		t.Error("goes on without answers")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Patience = 20 * time.Second
	o.OnInterval = func(Interval) { cancel() }
	if r, err := Run(ctx, dial(func(c *socket.Socket) { s.Handle(t.Context(), c) }), o); err != nil || !r.Interrupted {
		t.Errorf("interrupted: %v, %+v", err, r)
	}
}
