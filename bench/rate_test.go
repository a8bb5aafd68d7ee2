package bench

import (
	"context"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// memoryPair makes two ends in memory, which a clock of their own can govern.
func memoryPair(t *testing.T, kind socket.Type) (a, b *socket.Socket) {
	t.Helper()
	a, b, err := socket.Pair(sockettest.Memory, kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// echoStalling echoes, but does nothing for the first 100 ms of each second.
func echoStalling(c *socket.Socket, begin time.Time) {
	defer c.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if at := time.Since(begin) % time.Second; at < 100*time.Millisecond {
			time.Sleep(100*time.Millisecond - at)
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestStallAtRate sees that a server which stands still for 100 ms once a
// second shows it at the right percentiles: a tenth of the requests is due
// meanwhile, and waits for 0 to 100 ms. A closed loop would have seen one slow
// request a second.
func TestStallAtRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		dial := func(context.Context) (*socket.Socket, error) {
			a, b := memoryPair(t, socket.Stream)
			go echoStalling(b, begin)
			return a, nil
		}
		r, err := Run(t.Context(), dial, Options{Mode: AtRate, Rate: 1000, Duration: 100 * time.Second, WarmUp: 2 * time.Second, coarse: true})
		if err != nil {
			t.Fatal(err)
		}
		if n := r.Latency.Count(); n < 100_000 || n > 100_001 || r.Unanswered != 0 { // the one due at the very end may go
			t.Errorf("%d answered, %d not; want 100000 and 0", r.Latency.Count(), r.Unanswered)
		}
		for p, want := range map[float64]time.Duration{
			50: 0, 75: 0, 89: 0, 91: 10 * time.Millisecond, 95: 50 * time.Millisecond, 99: 90 * time.Millisecond, 99.9: 99 * time.Millisecond,
		} {
			v, ok := r.Latency.Percentile(p)
			if got := time.Duration(v); !ok || (got-want).Abs() > 1500*time.Microsecond {
				t.Errorf("%s is %v (%v), want %v", percentileName(p), got, ok, want)
			}
		}
		if r.Lateness.Max() > int64(time.Millisecond) {
			t.Errorf("the generator was late by up to %v", time.Duration(r.Lateness.Max()))
		}
		// The same with a closed loop hides it: that is what a rate is for.
		closed, err := Run(t.Context(), dial, Options{Mode: RoundTrip, Count: 1000, coarse: true})
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := closed.Latency.Percentile(90); v > int64(time.Millisecond) {
			t.Errorf("the 90th percentile of a closed loop is %v: the test's server stalls too often", time.Duration(v))
		}
	})
}

// TestSilentServer sees that requests which are never answered are counted, and end
// the run.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(context.Context) (*socket.Socket, error) {
			a, b := memoryPair(t, socket.Stream)
			go func() { // answers the greeting, and 10 requests
				defer b.Close()
				io.CopyN(b, b, greetingSize+10*requestSize)
				io.Copy(io.Discard, b)
			}()
			return a, nil
		}
		r, err := Run(t.Context(), dial, Options{Mode: AtRate, Rate: 100, Count: 50, coarse: true})
		if err != nil {
			t.Fatal(err)
		}
		if r.Latency.Count() != 10 || r.Unanswered != 40 || r.Near.Sent.Messages != 50 {
			t.Errorf("%d answered, %d not, of %d", r.Latency.Count(), r.Unanswered, r.Near.Sent.Messages)
		}
		if _, err := Run(t.Context(), dial, Options{Mode: RoundTrip, Count: 50, coarse: true}); err == nil {
			t.Error("a closed loop goes on without answers")
		}
	})
}

// TestRatePace sees that a stream at a rate keeps it.
func TestRatePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{coarse: true}
		dial := func(ctx context.Context) (*socket.Socket, error) {
			a, b := memoryPair(t, socket.SeqPacket)
			go func() { defer b.Close(); s.Handle(context.Background(), b) }()
			return a, nil
		}
		for _, d := range []Direction{Forward, Reverse} {
			r, err := Run(t.Context(), dial, Options{Mode: Stream, Direction: d, Rate: 500, Flows: 2, Size: 100, Duration: 4 * time.Second, WarmUp: time.Second, coarse: true})
			if err != nil {
				t.Fatal(err)
			}
			got := r.ways()[0].received
			if math.Abs(got.MessagesPerSecond()-500) > 5 || math.Abs(float64(got.Messages)-2000) > 10 {
				t.Errorf("%s: %.1f messages a second, %d in all", d, got.MessagesPerSecond(), got.Messages)
			}
		}
	})
}
