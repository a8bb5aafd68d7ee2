package datagrams_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/sys"
	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Whatever passes by itself loses nothing, and sends of which the system takes
// a part go on where it stopped.
func TestSendsThatFailForAWhile(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNREFUSED, 0} {
		t.Run(errno.Error(), func(t *testing.T) {
			calls := 0
			datagrams.BeforeSend(t, func(ms []sys.Msg) (int, syscall.Errno) {
				calls++
				if errno != 0 && calls%3 != 0 && !(errno == syscall.ECONNREFUSED && calls%3 == 2) {
					return 0, errno
				}
				return 1, 0
			})
			if errno == syscall.ECONNREFUSED {
				// From the peers only: a near socket does not answer so for
				// what was sent before.
				target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
				r := &datagrams.Relay{Dial: to(target.Name())}
				p := connected(t, front.Name())
				start(t, r, front)
				for range 10 {
					says(t, p, "hola")
					hears(t, target, "hola")
				}
				return
			}
			passes(t, bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0", joins))
		})
	}
}

// A system that refuses trains gets single datagrams: for good, or those of the
// one train whose path takes no segments so long.
func TestTrainsRefused(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EINVAL, syscall.EMSGSIZE} {
		t.Run(errno.Error(), func(t *testing.T) {
			var refused atomic.Int64
			datagrams.BeforeSend(t, func(ms []sys.Msg) (int, syscall.Errno) {
				for i := range ms {
					if len(ms[i].Control) == 0 {
						continue
					}
					if i > 0 {
						return i, 0
					}
					refused.Add(1)
					return 0, errno
				}
				return len(ms), 0
			})
			passes(t, bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0"))
			n := refused.Load()
			if n == 0 || errno == syscall.EIO && n > 2 { // one for each direction
				t.Errorf("%d trains were tried", n)
			}
		})
	}
}

// What fails for good is lost and counted, message by message.
func TestSendsThatFail(t *testing.T) {
	for errno, refused := range map[syscall.Errno]bool{syscall.EMSGSIZE: true, syscall.EPERM: false, syscall.ENETUNREACH: false} {
		t.Run(errno.Error(), func(t *testing.T) {
			var failing atomic.Bool
			datagrams.BeforeSend(t, func(ms []sys.Msg) (int, syscall.Errno) {
				if failing.Load() {
					return 0, errno
				}
				return len(ms), 0
			})
			target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
			echo(t, target)
			var errs pending[error]
			r := &datagrams.Relay{Dial: to(target.Name()), OnError: func(_ datagrams.Session, err error) { errs.add(err) }}
			p := connected(t, front.Name())
			start(t, r, front)
			says(t, p, "hola")
			hears(t, p, "hola")
			failing.Store(true)
			for range 3 {
				says(t, p, "lost")
			}
			until(t, "all are counted", func() bool { n := r.Totals(); return n.From[outcome.A].Refused+n.From[outcome.A].Dropped == 3 })
			failing.Store(false)
			says(t, p, "found")
			hears(t, p, "found")
			n := r.Totals()
			if got := n.From[outcome.A].Refused == 3; got != refused {
				t.Errorf("totals: %+v", n)
			}
			if !refused {
				for _, err := range errs.wait(t, 3) {
					if !errors.Is(err, errno) {
						t.Errorf("error: %v", err)
					}
				}
			}
		})
	}
}

// Receiving goes on after what passes, and ends Serve with what does not.
func TestReceivesThatFail(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN, syscall.ECONNREFUSED, syscall.EHOSTUNREACH} {
		t.Run(errno.Error(), func(t *testing.T) {
			var calls atomic.Int64
			datagrams.BeforeReceive(t, func(int) syscall.Errno {
				if calls.Add(1)%3 != 0 {
					return errno
				}
				return 0
			})
			target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
			echo(t, target)
			r := &datagrams.Relay{Dial: to(target.Name())}
			p := connected(t, front.Name())
			start(t, r, front)
			for range 10 {
				says(t, p, "hola")
				hears(t, p, "hola")
			}
		})
	}
	t.Run("for good", func(t *testing.T) {
		datagrams.BeforeReceive(t, func(int) syscall.Errno { return syscall.EBADF })
		front := bound(t, "127.0.0.1:0")
		r := &datagrams.Relay{Dial: to(front.Name())}
		p := connected(t, front.Name())
		says(t, p, "hola")
		if err := r.Serve(t.Context(), t.Context(), front); !errors.Is(err, syscall.EBADF) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// The end: at once, when sessions have been silent for a second, and when the life
// of those that go on is over.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		life time.Duration // after the end of ctx; negative is for ever
		busy bool          // something passes all the time
		how  outcome.EndReason
	}{
		"at once":  {0, true, outcome.Cancelled},
		"silent":   {-1, false, outcome.Idle},
		"time":     {50 * time.Millisecond, true, outcome.Cancelled},
		"too soon": {},
	} {
		t.Run(name, func(t *testing.T) {
			target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
			echo(t, target)
			var ended pending[datagrams.Session]
			r := &datagrams.Relay{Dial: to(target.Name()), OnEnd: ended.add}
			p := connected(t, front.Name())
			if name == "too soon" {
				life, cut := context.WithCancel(t.Context())
				cut()
				try(t, r.Serve(t.Context(), life, front))
				return
			}
			ctx, cancel := context.WithCancel(t.Context())
			life, cut := context.WithCancel(context.Background())
			defer cut()
			var serving, talking sync.WaitGroup
			over := make(chan struct{})
			serving.Go(func() {
				defer close(over)
				if err := r.Serve(ctx, life, front); err != nil {
					t.Error(err)
				}
			})
			says(t, p, "hola")
			hears(t, p, "hola")
			if c.busy {
				talking.Go(func() {
					for {
						select {
						case <-over:
							return
						case <-time.After(10 * time.Millisecond):
							p.Write([]byte("more"))
						}
					}
				})
			}
			cancel()
			if c.life >= 0 {
				time.AfterFunc(c.life, cut)
			}
			serving.Wait()
			talking.Wait()
			if e := ended.wait(t, 1)[0]; e.Result.How != c.how {
				t.Errorf("ended: %+v", e)
			}
			if n := r.Totals(); n.Open != 0 {
				t.Errorf("totals: %+v", n)
			}
		})
	}
}

// No session begins any more once Serve is to end.
func TestNoneBeginsWhileItEnds(t *testing.T) {
	target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
	echo(t, target)
	r := &datagrams.Relay{Dial: to(target.Name())}
	name := front.Name()
	first := connected(t, name)
	ctx, cancel := context.WithCancel(t.Context())
	life, cut := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := r.Serve(ctx, life, front); err != nil {
			t.Error(err)
		}
	})
	says(t, first, "hola")
	hears(t, first, "hola")
	cancel()
	until(t, "none begins", func() bool {
		before := r.Totals().Sessions
		says(t, connected(t, name), "too late?")
		says(t, first, "go on") // which is read after it
		hears(t, first, "go on")
		return r.Totals().Sessions == before
	})
	cut()
	serving.Wait()
}

func TestRefusesToBegin(t *testing.T) {
	dial := to(socket.Name{})
	stream, other, err := socket.Pair(socket.Unix, socket.Stream, 0)
	try(t, err)
	defer other.Close()
	for name, c := range map[string]struct {
		relay   *datagrams.Relay
		sockets []*socket.Socket
	}{
		"no Dial":         {&datagrams.Relay{}, []*socket.Socket{bound(t, "127.0.0.1:0")}},
		"no socket":       {&datagrams.Relay{Dial: dial}, nil},
		"a stream":        {&datagrams.Relay{Dial: dial}, []*socket.Socket{stream}},
		"too much memory": {&datagrams.Relay{Dial: dial, MaxMessage: 1 << 40}, []*socket.Socket{bound(t, "127.0.0.1:0")}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.relay.Serve(t.Context(), t.Context(), c.sockets...)
			if err == nil {
				t.Fatal("it served")
			}
			t.Log(err)
			for _, s := range c.sockets {
				if s.Close() == nil {
					t.Error("a socket was left open")
				}
			}
		})
	}
	if !errors.Is(datagrams.TakesNear(stream), errors.ErrUnsupported) {
		t.Error("a stream is taken")
	}
}

// fail makes some of the calls of relays fail in ways that pass.
func fail(t testing.TB) {
	errnos := []syscall.Errno{syscall.EAGAIN, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNREFUSED}
	var calls atomic.Int64
	next := func() syscall.Errno {
		if n := calls.Add(1); n%5 == 0 {
			return errnos[n/5%int64(len(errnos))]
		}
		return 0
	}
	datagrams.BeforeSend(t, func(ms []sys.Msg) (int, syscall.Errno) { return 1 + len(ms)/2, next() })
	datagrams.BeforeReceive(t, func(int) syscall.Errno { return next() })
}
