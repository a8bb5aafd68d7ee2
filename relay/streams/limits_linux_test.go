package streams_test

import (
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/poll"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/socket"
)

// patience is how long anything may take.
const patience = 30 * time.Second

var never time.Time

// soon is when a write that does not go is given up.
func soon() time.Time { return time.Now().Add(100 * time.Millisecond) }

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("this does not come to pass: %s", what)
		}
	}
}

// Who never reads stops who writes, and all of it arrives in the end.
func TestSlowReader(t *testing.T) {
	kinds(t, func(t *testing.T, from, to socket.Kind) {
		r := relaying(t, from, to, 1, nil)
		a, b := r.pair()
		bytes := fill(t, a)
		go a.Shutdown(socket.ShutdownWrite)
		buf, got := make([]byte, 1<<16), 0
		for {
			n, err := b.Read(buf)
			if got += n; err != nil {
				break
			}
		}
		if got != bytes {
			t.Errorf("%d bytes of %d arrived", got, bytes)
		}
	})
}

// What a time cuts short does not look complete.
func TestIdle(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, func(s *service) { s.group.Idle = time.Second })
	a, b := r.pair()
	start := time.Now()
	for range 12 { // for longer than the time, though never idle for so long
		writes(t, a, "x")
		wants(t, b, "x")
		time.Sleep(100 * time.Millisecond)
	}
	wantsReset(t, a)
	wantsReset(t, b)
	r.wantsEnding(outcome.Idle)
	if d := time.Since(start); d < time.Second {
		t.Errorf("it ended after %v", d)
	}
}

func TestLifetime(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, func(s *service) { s.group.Lifetime, s.group.Idle = 30*time.Millisecond, time.Hour })
	a, b := r.pair()
	wantsReset(t, a)
	wantsReset(t, b)
	r.wantsEnding(outcome.Lifetime)
}

// No more are open than may be, and whoever waits is served when there is a place.
func TestMaxConns(t *testing.T) {
	for _, loops := range []int{1, 2} {
		r := relaying(t, tcp, socket.Kind{}, loops, func(s *service) { s.group.MaxConns = 2 })
		var clients []*socket.Socket
		for range 6 {
			clients = append(clients, r.client())
		}
		for i, c := range clients {
			writes(t, c, "x")
			wants(t, c, "x")
			if n := r.group.Open(); n > 2 {
				t.Errorf("%d are open", n)
			}
			if i >= 1 {
				try(t, clients[i-1].Close())
			}
		}
		clients[5].Close()
		for range clients {
			r.wantsEnding(outcome.Finished)
		}
	}
}

// A rate holds, and nothing is lost by it.
func TestRate(t *testing.T) {
	for name, set := range map[string]func(*streams.Group){
		"of each":  func(g *streams.Group) { g.Rate = 1 << 20 },
		"of total": func(g *streams.Group) { g.TotalRate = 1 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			r := relaying(t, tcp, tcp, 1, func(s *service) { set(&s.group) })
			a, b := r.pair()
			const bytes = 256 << 10
			start := time.Now()
			go func() {
				a.Write(make([]byte, bytes))
				a.Shutdown(socket.ShutdownWrite)
			}()
			buf, got := make([]byte, 1<<16), 0
			for {
				n, err := b.Read(buf)
				if got += n; err != nil {
					break
				}
			}
			// The first part goes at once, and the rest is paid for.
			if d := time.Since(start); got != bytes || d < 180*time.Millisecond {
				t.Errorf("%d bytes in %v, want %d and about 200ms at least", got, d, bytes)
			}
		})
	}
}

// Where the loop cannot take a connection, as with too many watches, it says so
// and accepts no more for a while.
func TestNoWatchLeft(t *testing.T) {
	var refuse atomic.Bool
	sys.SetRawHook(func(call uintptr, args *[6]uintptr) (int, syscall.Errno, bool) {
		if call == unix.SYS_EPOLL_CTL && args[1] == unix.EPOLL_CTL_ADD && refuse.CompareAndSwap(true, false) {
			return 0, unix.ENOSPC, true
		}
		return 0, 0, false
	})
	defer sys.SetRawHook(nil)
	r := relaying(t, tcp, socket.Kind{}, 1, nil)
	refuse.Store(true)
	r.wantsNothing()
	if e := r.wantsEnding(outcome.Failed); e.Call != "epoll_ctl" || e.Errno != unix.ENOSPC {
		t.Errorf("%+v", e)
	}
	a := r.client() // waits until it accepts again
	writes(t, a, "x")
	wants(t, a, "x")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paused) != 1 || r.paused[0] != unix.ENOSPC {
		t.Errorf("paused for %v", r.paused)
	}
}

// All that wait for the total rate have their turn.
func TestTotalRateIsShared(t *testing.T) {
	const flows, part = 8, 8 << 10 // what one reads at once
	r := relaying(t, tcp, tcp, 1, func(s *service) { s.group.TotalRate = 20 * part })
	var targets []*socket.Socket
	for range flows {
		a, b := r.pair()
		go a.Write(make([]byte, 1<<20)) // until it is closed
		targets = append(targets, b)
	}
	bytes := func(c *streams.Conn) int64 { return c.Result().From[outcome.A].Bytes }
	await(t, "as much has passed as four turns of each are", func() bool {
		total := int64(0)
		r.group.Each(func(c *streams.Conn) { total += bytes(c) })
		return total >= 4*flows*part
	})
	r.group.Each(func(c *streams.Conn) {
		if n := bytes(c); n < part {
			t.Errorf("one has passed %d bytes", n)
		}
	})
	for _, b := range targets {
		b.Abort()
	}
	for range flows {
		r.wantsEnding(outcome.Reset)
	}
}

// Nobody has more of the total rate for being alone on a loop.
func TestTotalRateIsSharedByLoops(t *testing.T) {
	const flows, part = 6, 8 << 10 // what one reads at once
	r := relaying(t, tcp, tcp, 2, func(s *service) { s.group.TotalRate = 20 * part })
	var sources, targets []*socket.Socket
	for range flows {
		a, b := r.pair()
		sources, targets = append(sources, a), append(targets, b)
	}
	var mu sync.Mutex
	var alone *streams.Conn
	r.group.Each(func(c *streams.Conn) {
		mu.Lock()
		defer mu.Unlock()
		if alone == nil {
			alone = c
		}
		if c == alone {
			c.MoveTo(1)
			return
		}
		c.MoveTo(0)
	})
	for _, a := range sources {
		go a.Write(make([]byte, 1<<20)) // until it is closed
	}
	least, most := int64(0), int64(0)
	await(t, "as much has passed as five turns of each are", func() bool {
		total := int64(0)
		least, most = 1<<60, 0
		r.group.Each(func(c *streams.Conn) {
			mu.Lock()
			defer mu.Unlock()
			n := c.Result().From[outcome.A].Bytes
			total, least, most = total+n, min(least, n), max(most, n)
		})
		return total >= 5*flows*part
	})
	if most > 2*least {
		t.Errorf("one has passed %d bytes, and one %d", most, least)
	}
	for _, b := range targets {
		b.Abort()
	}
	for range flows {
		r.wantsEnding(outcome.Reset)
	}
}

// When the group stops nothing more is accepted, and what is open finishes.
func TestDrain(t *testing.T) {
	for _, loops := range []int{1, 2} {
		r := relaying(t, tcp, tcp, loops, func(s *service) {})
		stopped := make(chan bool)
		a, b := r.pair()
		writes(t, a, "x")
		wants(t, b, "x")
		r.stop()
		go func() {
			writes(t, b, "last")
			b.Close()
			close(stopped)
		}()
		wants(t, a, "last")
		<-stopped
		a.Close()
		r.wantsEnding(outcome.Finished)
		try(t, <-r.over)
	}
}

// At the end of life what is open is reset.
func TestCut(t *testing.T) {
	for _, loops := range []int{1, 2} {
		r := relaying(t, tcp, tcp, loops, nil)
		a, b := r.pair()
		r.cut()
		wantsReset(t, a)
		wantsReset(t, b)
		r.wantsEnding(outcome.Cancelled)
		try(t, <-r.over)
	}
}

// Connections are given to every loop.
func TestLoopsShare(t *testing.T) {
	r := relaying(t, tcp, socket.Kind{}, 2, nil)
	loops := map[*poll.Loop]int{}
	const conns = 20
	for range conns {
		c := r.client()
		writes(t, c, "x")
		wants(t, c, "x")
	}
	done := make(chan *poll.Loop, conns)
	r.group.Each(func(c *streams.Conn) { done <- c.Loop() })
	for range conns {
		loops[<-done]++
	}
	for _, n := range loops {
		if n < conns/2-3 {
			t.Errorf("the loops have %v", loops)
		}
	}
	if len(loops) != 2 {
		t.Errorf("%d loops have all connections", len(loops))
	}
}

// An idle pair holds two descriptors and no more, also after bulk.
func TestDescriptors(t *testing.T) {
	r := relaying(t, tcp, tcp, 1, nil)
	a, b := r.pair()
	go a.Write(make([]byte, 4<<20))
	buf := make([]byte, 1<<16)
	for got := 0; got < 4<<20; {
		n, err := b.Read(buf)
		try(t, err)
		got += n
	}
	r.group.Each(func(*streams.Conn) {}) // all that the loop had to do is done
	poll.ClosePipes()
	before := descriptors(t)
	for range 10 {
		r.pair()
	}
	if n := descriptors(t) - before; n != 10*4 { // the test's own two as well
		t.Errorf("10 pairs hold %d descriptors, want 20 and as many of the test's", n)
	}
}

func TestConnectFails(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		r := relaying(t, tcp, tcp, 1, nil)
		try(t, r.to.Close())
		r.wantsNothing()
		if e := r.wantsEnding(outcome.Failed); e.Side != outcome.B || e.Errno != syscall.ECONNREFUSED {
			t.Errorf("%+v", e)
		}
	})
	t.Run("no path", func(t *testing.T) {
		r := relaying(t, tcp, unixStream, 1, func(s *service) { s.target.SetUnix([]byte("/nowhere")) })
		r.wantsNothing()
		if e := r.wantsEnding(outcome.Failed); e.Errno != syscall.ENOENT {
			t.Errorf("%+v", e)
		}
	})
	t.Run("full unix queue", func(t *testing.T) {
		r := relaying(t, tcp, unixStream, 1, nil)
		try(t, r.to.Listen(1))
		for range 2 { // a backlog of 1 holds two
			s := must(socket.New(socket.Unix, socket.Stream, 0))(t)
			defer s.Close()
			try(t, s.Connect(t.Context(), r.to.Name()))
		}
		c := r.client()
		writes(t, c, "x")
		for range 3 { // what is accepted makes room
			s := must(r.to.Accept(t.Context()))(t)
			defer s.Close()
			if s.SetReadDeadline(soon()); s.Domain() == socket.Unix {
				b := make([]byte, 1)
				if n, _ := s.Read(b); n == 1 {
					return
				}
			}
		}
		t.Error("the byte did not arrive")
	})
	t.Run("full unix queue for too long", func(t *testing.T) {
		r := relaying(t, tcp, unixStream, 1, func(s *service) { s.timeout = 20 * time.Millisecond })
		try(t, r.to.Listen(1))
		for range 2 {
			s := must(socket.New(socket.Unix, socket.Stream, 0))(t)
			defer s.Close()
			try(t, s.Connect(t.Context(), r.to.Name()))
		}
		r.wantsNothing()
		if e := r.wantsEnding(outcome.Failed); e.Errno != syscall.ETIMEDOUT {
			t.Errorf("%+v", e)
		}
	})
	t.Run("itself", func(t *testing.T) {
		// A socket bound to the port that it connects to reaches itself.
		r := relaying(t, tcp, tcp, 1, func(s *service) {
			s.accepted = func(c *streams.Conn) {
				fd, errno := sys.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
				if errno != 0 {
					t.Error(errno)
				}
				var a sys.Sockaddr
				a.SetInet4(0, []byte{127, 0, 0, 1})
				sys.Bind(fd, &a)
				sys.Getsockname(fd, &a)
				to := a
				c.Connect(fd, streams.TCP, &to, 0)
			}
		})
		r.wantsNothing()
		if e := r.wantsEnding(outcome.Failed); e.Errno != streams.ErrItself {
			t.Errorf("%+v", e)
		}
	})
}
