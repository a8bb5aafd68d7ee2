package bench

import (
	"testing"
	"time"

	"zocalo/socket"
)

// ask sends a greeting until it is answered, and returns the token. Each other
// message that comes meanwhile is told.
func ask(t *testing.T, s *socket.Socket, g greeting, other func([]byte)) uint64 {
	t.Helper()
	s.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := s.Write(g.append(nil)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2048)
	for {
		n, err := s.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		var a answer
		if a.parse(b[:n]) == nil && a.token != 0 {
			return a.token
		}
		other(b[:n])
	}
}

// TestNoEchoToStrangers has a greeting come from where an echo server is, as
// one with a forged address does: two that answer each other would go on for
// ever.
func TestNoEchoToStrangers(t *testing.T) {
	s, err := serve(t, &Server{}, "udp:127.0.0.1:0")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	never := func(b []byte) { t.Errorf("the server sent %q", b) }
	g := greeting{service: echoed, size: 64, batch: 1, run: 1}
	token := ask(t, s, g, never)
	// What an echo server sends back, and then what a client would send.
	back := answer{token: token}
	for _, b := range [][]byte{back.append(nil), make([]byte, 64)} {
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	// An answer to each of two more greetings comes after all that was to come.
	for i := range uint32(2) {
		g.flow = 1 + i
		ask(t, s, g, never)
	}
}

// hurry sets the times of sessions until the test, and its servers, end.
func hurry(t *testing.T, least, again time.Duration) {
	before, beforeAgain := leastPatience, attendance
	t.Cleanup(func() { leastPatience, attendance = before, beforeAgain })
	leastPatience, attendance = least, again
}

// TestVanishedClient has a client go that asked for a day of data.
func TestVanishedClient(t *testing.T) {
	hurry(t, 50*time.Millisecond, attendance)
	dial := serve(t, &Server{Patience: 50 * time.Millisecond}, "udp:127.0.0.1:0")
	s, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := greeting{service: framed, direction: reverse, size: 1000, duration: MaxDuration, gap: time.Millisecond, batch: 1, run: 1}
	token := ask(t, s, g, func([]byte) {})
	if err := writeFrame(s, startFrame, token, 0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2048)
	s.SetDeadline(time.Now().Add(30 * time.Second))
	for {
		n, err := s.Read(b)
		if err != nil {
			t.Fatalf("the server goes on without a client: %v", err)
		}
		if frameType(b[0]) == endFrame && n == headerSize {
			return // nothing was heard of the client for longer than its patience
		}
	}
}

// TestPatienceBetweenMessages has a client that rarely sends outlast the
// server's patience, and so does one that only receives.
func TestPatienceBetweenMessages(t *testing.T) {
	hurry(t, 400*time.Millisecond, 10*time.Millisecond)
	dial := serve(t, &Server{Patience: 400 * time.Millisecond}, "udp:127.0.0.1:0")
	for name, o := range map[string]Options{
		"reverse": {Mode: Stream, Direction: Reverse, Rate: 100, Duration: time.Second, WarmUp: -1},
		"forward": {Mode: Stream, Rate: 1.2, Count: 2},
		"rate":    {Mode: AtRate, Rate: 1.2, Count: 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := measure(t, dial, o)
			if r.Unanswered > 0 || r.Far == nil || r.Far.Sent.Messages+r.Far.Received.Messages == 0 && name != "rate" || len(r.Remarks) > 0 && name == "rate" && r.Far == nil {
				t.Errorf("%+v, far %+v, remarks %q", r, r.Far, r.Remarks)
			}
		})
	}
}

// TestSessionsAreSmall bounds what a forged greeting costs the server.
func TestSessionsAreSmall(t *testing.T) {
	kind := socket.Properties{Bounded: true}
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newReceiver(&greeting{service: framed, size: 1000}, kind)
		}
	})
	if got.AllocedBytesPerOp() > 64<<10 {
		t.Errorf("a session takes %d bytes before anything came", got.AllocedBytesPerOp())
	}
}

// TestStrangersMakeRoom fills a server with greetings that nobody stands by.
func TestStrangersMakeRoom(t *testing.T) {
	dial := servePeers(t, &Server{}, "udp:127.0.0.1:0", Peers{MaxSessions: 4})
	g := greeting{service: framed, direction: forward, size: 100, duration: MaxDuration, batch: 1, run: 1}
	for range 9 {
		s, err := dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ask(t, s, g, func([]byte) {})
	}
	for _, m := range []Mode{RoundTrip, Stream} {
		measure(t, dial, Options{Mode: m, Count: 10})
	}
}
