package poll_test

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/poll"
	"zocalo/internal/sys"
)

// running runs a loop until the test ends.
func running(t testing.TB) *poll.Loop {
	t.Helper()
	l, err := poll.New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return l
}

// on calls f on the loop, and waits for it.
func on(t testing.TB, l *poll.Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { defer close(done); f() }) {
		t.Fatal("the loop is over")
	}
	<-done
}

// pair returns two connected sockets that the test closes.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	a, b, errno := sys.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() {
		sys.Close(a)
		sys.Close(b)
	})
	return a, b
}

func send(t testing.TB, fd int, text string) {
	t.Helper()
	if n, errno := sys.Send(fd, []byte(text), 0); errno != 0 || n != len(text) {
		t.Errorf("sent %d bytes: %v", n, errno)
	}
}

type handler func(poll.Events)

func (h handler) Ready(e poll.Events) { h(e) }

type expirer func(*poll.Timer)

func (e expirer) Expired(t *poll.Timer) { e(t) }

func TestReady(t *testing.T) {
	l := running(t)
	a, b := pair(t)
	got := make(chan string, 10)
	on(t, l, func() {
		err := l.Add(a, poll.Readable|poll.PeerClosed, handler(func(e poll.Events) {
			n, errno := sys.RawRecv(a, l.Scratch(), 0)
			got <- string(l.Scratch()[:n])
			if errno != 0 || e&poll.Readable == 0 {
				t.Errorf("events %#x: %v", e, errno)
			}
			if e&poll.PeerClosed != 0 {
				l.Remove(a)
			}
		}))
		if err != nil {
			t.Error(err)
		}
	})
	for _, text := range []string{"one", "two"} {
		send(t, b, text)
		if s := <-got; s != text {
			t.Fatalf("received %q, want %q", s, text)
		}
	}
	sys.Shutdown(b, unix.SHUT_WR)
	if s := <-got; s != "" {
		t.Fatalf("received %q, want the end", s)
	}
	on(t, l, func() { // it can be added again
		if err := l.Add(a, poll.Writable, handler(func(poll.Events) { got <- "writable"; l.Remove(a) })); err != nil {
			t.Error(err)
		}
	})
	if s := <-got; s != "writable" {
		t.Fatal(s)
	}
}

// A level-triggered descriptor is told again, an edge-triggered one is not,
// unless it asks.
func TestTriggers(t *testing.T) {
	for _, c := range []struct {
		name   string
		events poll.Events
		again  bool
		want   int // calls without anything new
	}{
		{"level", poll.Readable, false, 5},
		{"edge", poll.Readable | poll.EdgeTriggered, false, 1},
		{"edge and again", poll.Readable | poll.EdgeTriggered, true, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := running(t)
			a, b := pair(t)
			send(t, b, "x")
			var calls int
			five := make(chan struct{})
			on(t, l, func() {
				l.Add(a, c.events, handler(func(e poll.Events) {
					if calls++; calls == 5 {
						close(five)
						l.Remove(a)
					} else if c.again {
						l.Again(a, e)
					}
				}))
			})
			if c.want == 5 {
				<-five
				return
			}
			for range 20 { // turns
				on(t, l, func() {})
			}
			on(t, l, func() {
				if calls != c.want {
					t.Errorf("%d calls, want %d", calls, c.want)
				}
				l.Remove(a)
			})
		})
	}
}

// An event that happened before its descriptor was removed reaches neither the
// old handler nor that of the descriptor which has the number now.
func TestStaleEvent(t *testing.T) {
	l := running(t)
	a, b := pair(t)
	c, d := pair(t)
	calls := make(chan int, 10)
	on(t, l, func() {
		// Both are ready in one turn. Whichever is called first replaces the
		// other.
		replace := func(own, other int) handler {
			return func(poll.Events) {
				calls <- own
				l.Remove(own)
				l.Remove(other)
				l.Add(other, poll.Urgent, handler(func(poll.Events) { calls <- -other }))
			}
		}
		send(t, b, "x")
		send(t, d, "x")
		l.Add(a, poll.Readable, replace(a, c))
		l.Add(c, poll.Readable, replace(c, a))
	})
	on(t, l, func() {})
	on(t, l, func() {})
	if n := <-calls; n != a && n != c {
		t.Fatalf("called %d", n)
	}
	select {
	case n := <-calls:
		t.Fatalf("called %d too", n)
	default:
	}
}

func TestPostFromEverywhere(t *testing.T) {
	l := running(t)
	var order [4][]int
	var wg sync.WaitGroup
	for g := range order {
		wg.Go(func() {
			for i := range 1000 {
				l.Post(func() { order[g] = append(order[g], i) })
			}
		})
	}
	wg.Wait()
	on(t, l, func() {})
	for g := range order {
		if len(order[g]) != 1000 || !slices.IsSorted(order[g]) {
			t.Errorf("goroutine %d: %d calls, in order: %v", g, len(order[g]), slices.IsSorted(order[g]))
		}
	}
}

// What Post takes is called, also when the loop ends meanwhile.
func TestPostAtTheEnd(t *testing.T) {
	l, err := poll.New()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var taken, called int
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	for l.Post(func() { called++ }) {
		if taken++; taken == 100 {
			cancel()
		}
	}
	wg.Wait()
	if taken != called {
		t.Fatalf("%d functions were taken, and %d called", taken, called)
	}
	if l.Post(func() { t.Error("called") }) {
		t.Fatal("a loop that is over takes functions")
	}
}

func TestCloseWithoutRun(t *testing.T) {
	l, err := poll.New()
	if err != nil {
		t.Fatal(err)
	}
	called := false
	l.Post(func() { called = true })
	l.Close()
	l.Close()
	if !called || l.Post(func() {}) {
		t.Fatal("what was posted was not called, or more was taken")
	}
}

func TestTimerExpires(t *testing.T) {
	l := running(t)
	var timer poll.Timer
	took := make(chan time.Duration)
	on(t, l, func() {
		var forgotten poll.Timer
		l.Arm(&forgotten, time.Millisecond, expirer(func(*poll.Timer) { t.Error("a disarmed timer expired") }))
		start := time.Now()
		l.Arm(&timer, time.Hour, nil)
		l.Arm(&timer, 20*time.Millisecond, expirer(func(*poll.Timer) { took <- time.Since(start) }))
		l.Disarm(&forgotten)
		l.Disarm(&forgotten)
	})
	if d := <-took; d < 20*time.Millisecond {
		t.Fatalf("a timer of 20ms expired after %v", d)
	}
}

func TestAddRefused(t *testing.T) {
	l := running(t)
	a, _ := pair(t)
	file := must(unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0))(t)
	defer sys.Close(file)
	on(t, l, func() {
		h := handler(func(poll.Events) { t.Error("called") })
		if err := l.Add(file, poll.Readable, h); err == nil {
			t.Error("a descriptor without events was taken")
		}
		l.Remove(file) // which does nothing
		if err := l.Add(a, poll.Readable, h); err != nil {
			t.Error(err)
		}
		if err := l.Add(a, poll.Readable, h); err == nil {
			t.Error("a descriptor was taken twice")
		}
		if err := l.Change(a, 0); err != nil {
			t.Error(err)
		}
		if err := l.Change(a, poll.Readable); err != nil {
			t.Error(err)
		}
	})
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// The raw calls restart after EINTR, and can be made short.
func TestRawHook(t *testing.T) {
	a, b := pair(t)
	interrupted := 0
	sys.SetRawHook(func(call uintptr, args *[6]uintptr) (int, syscall.Errno, bool) {
		if call == unix.SYS_SENDTO && interrupted < 3 {
			interrupted++
			return 0, syscall.EINTR, true
		}
		if call == unix.SYS_SENDTO {
			args[2] = 2
		}
		return 0, 0, false
	})
	defer sys.SetRawHook(nil)
	if n, errno := sys.RawSend(a, []byte("hola"), 0); n != 2 || errno != 0 || interrupted != 3 {
		t.Fatalf("sent %d bytes after %d interruptions: %v", n, interrupted, errno)
	}
	sys.SetRawHook(nil)
	buf := make([]byte, 8)
	if n, errno := sys.RawRecv(b, buf, 0); string(buf[:n]) != "ho" || errno != 0 {
		t.Fatalf("received %q: %v", buf[:n], errno)
	}
}

func BenchmarkTurn(b *testing.B) {
	l, err := poll.New()
	if err != nil {
		b.Fatal(err)
	}
	x, y := pair(b)
	one := make([]byte, 1)
	n := 0
	l.Add(x, poll.Readable|poll.EdgeTriggered, handler(func(poll.Events) {
		sys.RawRecv(x, l.Scratch(), 0)
		if n++; n == b.N {
			l.Stop()
			return
		}
		sys.RawSend(y, one, 0)
	}))
	sys.RawSend(y, one, 0)
	l.Run(b.Context())
}
