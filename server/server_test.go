package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/echo"
	"zocalo/server"
	"zocalo/socket"
)

// running is a call of Serve in its own goroutine.
type running struct {
	stop   context.CancelFunc
	result chan error
}

func serve(t testing.TB, s *server.Server, listeners ...server.Listener) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{stop, make(chan error, 1)}
	go func() { r.result <- s.Serve(ctx, listeners...) }()
	t.Cleanup(func() { stop(); s.Abort() })
	return r
}

func (r *running) wait(t testing.TB) {
	t.Helper()
	r.stop()
	if err := <-r.result; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func echoed(ctx context.Context, c *socket.Socket) { echo.Connection(ctx, c) }

// exchange sends text and expects it back.
func exchange(t testing.TB, c *socket.Socket, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
		t.Fatalf("got %q back, and error %v; want %q", b, err, text)
	}
}

func TestServeListenersOfManyDomains(t *testing.T) {
	kinds := []socket.Kind{tcp, unix, unixSeq, memory, memorySeq}
	var listeners []server.Listener
	for _, k := range kinds {
		listeners = append(listeners, listen(t, k))
	}
	r := serve(t, &server.Server{Handler: echoed, Drain: -1}, listeners...)
	for i, k := range kinds {
		for range 3 {
			c := dial(t, k, listeners[i].Name())
			exchange(t, c, "to "+k.String())
			c.Close()
		}
	}
	r.wait(t)
	for i, k := range kinds {
		if _, err := listeners[i].Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v: Accept after the end: %v; want net.ErrClosed", k, err)
		}
	}
}

// A counter counts what is accepted from a listener.
type counter struct {
	server.Listener
	n *atomic.Int32
}

func (c counter) Accept(ctx context.Context) (*socket.Socket, error) {
	s, err := c.Listener.Accept(ctx)
	if err == nil {
		c.n.Add(1)
	}
	return s, err
}

func TestMaxConnsStopsAccepting(t *testing.T) {
	for _, test := range []struct {
		name           string
		listeners, max int
	}{
		{"one listener", 1, 2},
		{"more listeners than places", 3, 1},
		{"more places than listeners", 2, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var accepted, served atomic.Int32
				var listeners []server.Listener
				for range test.listeners {
					listeners = append(listeners, counter{listen(t, memory), &accepted})
				}
				s := &server.Server{MaxConns: test.max, Drain: -1, Handler: func(ctx context.Context, c *socket.Socket) {
					if n := served.Add(1); int(n) > test.max {
						t.Errorf("%d connections are served at once; the bound is %d", n, test.max)
					}
					defer served.Add(-1)
					echo.Connection(ctx, c)
				}}
				r := serve(t, s, listeners...)
				// One after another, so that no two are accepted at once.
				var clients []*socket.Socket
				for i := range 3*test.max + test.listeners {
					clients = append(clients, dial(t, memory, listeners[i%len(listeners)].Name()))
					synctest.Wait()
				}
				if n := int(accepted.Load()); n != test.max {
					t.Errorf("%d connections were accepted; the bound is %d", n, test.max)
				}
				// Those who wait are served as soon as others leave, whichever
				// listener they came to.
				for len(clients) > 0 {
					var left []*socket.Socket
					for _, c := range clients {
						c.Write([]byte("x"))
						c.SetReadDeadline(time.Now().Add(time.Millisecond))
						if _, err := c.Read(make([]byte, 1)); err == nil {
							c.Close()
						} else {
							left = append(left, c)
						}
					}
					if len(left) == len(clients) {
						t.Fatalf("%d clients wait, and none is served", len(left))
					}
					clients = left
					synctest.Wait()
				}
				r.wait(t)
			})
		})
	}
}

// Two listeners that accept at the same moment may take one too many; it
// must wait its turn, and be served.
func TestMaxConnsHoldsWhenListenersRace(t *testing.T) {
	var served, most atomic.Int32
	s := &server.Server{MaxConns: 1, Drain: -1, Handler: func(ctx context.Context, c *socket.Socket) {
		if n := served.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer served.Add(-1)
		echo.Connection(ctx, c)
	}}
	listeners := []server.Listener{listen(t, memory), listen(t, memory), listen(t, memory)}
	r := serve(t, s, listeners...)
	var clients sync.WaitGroup
	for i := range 60 {
		clients.Go(func() {
			c, err := socket.New(memory.Domain, memory.Type, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := c.Connect(t.Context(), listeners[i%3].Name()); err != nil {
				t.Error(err)
				return
			}
			c.Write([]byte("x"))
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	r.wait(t)
	if n := most.Load(); n != 1 {
		t.Errorf("%d connections were served at once; the bound is 1", n)
	}
}

func TestDrainLetsConnectionsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, memory)
		r := serve(t, &server.Server{Handler: echoed, Drain: time.Minute}, l)
		c := dial(t, memory, l.Name())
		exchange(t, c, "before")
		start := time.Now()
		r.stop()
		synctest.Wait()
		late := open(t, memory)
		if err := late.Connect(t.Context(), l.Name()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("connect while it drains: %v; want ECONNREFUSED", err)
		}
		time.Sleep(59 * time.Second)
		exchange(t, c, "still here")
		c.Shutdown(socket.ShutdownWrite)
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read after the end: %v; want EOF", err)
		}
		r.wait(t)
		if took := time.Since(start); took != 59*time.Second {
			t.Errorf("Serve ended after %v; want at once after the last connection", took)
		}
	})
}

func TestDrainEndsByReset(t *testing.T) {
	for drain, want := range map[time.Duration]time.Duration{time.Nanosecond: time.Nanosecond, 0: server.DefaultDrain, 7 * time.Second: 7 * time.Second} {
		t.Run(drain.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := listen(t, memory)
				ended := errors.New("the handler's context did not end")
				s := &server.Server{Drain: drain, Handler: func(ctx context.Context, c *socket.Socket) {
					c.Read(make([]byte, 1)) // looks at no context
					<-ctx.Done()
					ended = nil
				}}
				r := serve(t, s, l)
				c := dial(t, memory, l.Name())
				synctest.Wait()
				start := time.Now()
				r.wait(t)
				if took := time.Since(start); took != want {
					t.Errorf("Serve ended after %v; want %v", took, want)
				}
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client reads %v; want ECONNRESET", err)
				}
				if ended != nil {
					t.Error(ended)
				}
			})
		})
	}
}

func TestAbort(t *testing.T) {
	for _, stopFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := listen(t, memory)
			s := &server.Server{Handler: echoed, Drain: -1}
			r := serve(t, s, l)
			c := dial(t, memory, l.Name())
			exchange(t, c, "x")
			start := time.Now()
			if stopFirst {
				r.stop()
				synctest.Wait()
			}
			s.Abort()
			s.Abort()
			if err := <-r.result; err != nil {
				t.Errorf("Serve: %v", err)
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("Serve ended after %v; want at once", took)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the client reads %v; want ECONNRESET", err)
			}
			again := listen(t, memory)
			if err := s.Serve(t.Context(), again); err != nil {
				t.Errorf("Serve after Abort: %v", err)
			}
		})
	}
}

// A script is a listener that answers Accept with errors, where nil is a
// connection, and then waits.
type script struct {
	errs   chan error
	closed chan struct{}
	once   sync.Once
}

func newScript(errs ...error) *script {
	s := &script{errs: make(chan error, len(errs)+1), closed: make(chan struct{})}
	for _, err := range errs {
		s.errs <- err
	}
	return s
}

func (s *script) Accept(ctx context.Context) (*socket.Socket, error) {
	select {
	case err := <-s.errs:
		if err != nil {
			return nil, &net.OpError{Op: "accept", Net: "fake", Err: err}
		}
		a, b, err := socket.Pair(memory.Domain, memory.Type, 0)
		if err == nil {
			a.Close()
		}
		return b, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *script) Close() error      { s.once.Do(func() { close(s.closed) }); return nil }
func (s *script) Name() socket.Name { return socket.Name{} }

func repeat(err error, n int) (errs []error) {
	for range n {
		errs = append(errs, err)
	}
	return errs
}

func TestAcceptErrors(t *testing.T) {
	ms := time.Millisecond
	for _, test := range []struct {
		name   string
		errs   []error
		took   time.Duration
		logged int
	}{
		{"out of descriptors", repeat(syscall.EMFILE, 3), (5 + 10 + 20) * ms, 1},
		{"out of files", repeat(syscall.ENFILE, 1), 5 * ms, 1},
		{"out of buffers", repeat(syscall.ENOBUFS, 1), 5 * ms, 1},
		{"out of memory", repeat(syscall.ENOMEM, 1), 5 * ms, 1},
		{"pauses of at most a second", repeat(syscall.EMFILE, 12), (1275 + 4*1000) * ms, 1},
		{"pauses that start anew", []error{syscall.EMFILE, syscall.EMFILE, nil, syscall.EMFILE}, (5 + 10 + 5) * ms, 1},
		{"a connection gone before it was accepted", repeat(syscall.ECONNABORTED, 50), 0, 0},
		{"a firewall", repeat(syscall.EPERM, 1), 0, 0},
		{"a network error", []error{syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.EPROTO, syscall.EAGAIN, syscall.EINTR}, 0, 0},
		{"what passes and does not", repeat(syscall.EPERM, 102), (5 + 10) * ms, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				served := make(chan time.Time, 10)
				s := &server.Server{
					Log:     slog.New(slog.NewTextHandler(&log, nil)),
					Handler: func(context.Context, *socket.Socket) { served <- time.Now() },
				}
				start := time.Now()
				r := serve(t, s, newScript(append(test.errs, nil)...))
				last := <-served
				for _, err := range test.errs {
					if err == nil {
						last = <-served
					}
				}
				if took := last.Sub(start); took != test.took {
					t.Errorf("the connection was served after %v; want %v", took, test.took)
				}
				r.wait(t)
				if n := strings.Count(log.String(), "accepting pauses"); n != test.logged {
					t.Errorf("the pause was told %d times; want %d:\n%s", n, test.logged, &log)
				}
			})
		})
	}
}

func TestShortageIsSaidOnceAnEpisode(t *testing.T) {
	for _, test := range []struct {
		name   string
		gap    time.Duration
		logged int
	}{
		{"again within a minute", 59 * time.Second, 1},
		{"again after it", 62 * time.Second, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := &server.Server{Log: slog.New(slog.NewTextHandler(&log, nil)), Handler: func(context.Context, *socket.Socket) {}}
				l := newScript(syscall.EMFILE, nil, syscall.EMFILE, nil)
				r := serve(t, s, l, newScript(syscall.EMFILE))
				time.Sleep(test.gap)
				l.errs <- syscall.EMFILE
				time.Sleep(time.Second)
				r.wait(t)
				if n := strings.Count(log.String(), "accepting pauses"); n != test.logged {
					t.Errorf("it was said %d times; want %d:\n%s", n, test.logged, &log)
				}
			})
		})
	}
}

func TestStopDuringPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r := serve(t, &server.Server{Handler: echoed}, newScript(repeat(syscall.EMFILE, 100)...))
		time.Sleep(5500 * time.Millisecond) // in the middle of a pause of one second
		r.wait(t)
		if took := time.Since(start); took != 5500*time.Millisecond {
			t.Errorf("Serve ended after %v; want at once when stopped", took)
		}
	})
}

func TestListenerThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, bad := listen(t, memory), newScript()
		r := serve(t, &server.Server{Handler: echoed, Drain: time.Minute}, good, bad)
		c := dial(t, memory, good.Name())
		exchange(t, c, "before")
		bad.Close()
		synctest.Wait()
		exchange(t, c, "drained")
		c.Close()
		err := <-r.result
		if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "listener") {
			t.Errorf("Serve: %v; want the listener's error", err)
		}
		if _, err := good.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the other listener: %v; want net.ErrClosed", err)
		}
	})
}

func TestServeRefusesToBegin(t *testing.T) {
	l := listen(t, memory)
	if err := new(server.Server).Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "Handler") {
		t.Errorf("without a handler: %v", err)
	}
	if _, err := l.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener: %v; want net.ErrClosed", err)
	}
	if err := (&server.Server{Handler: echoed}).Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "listener") {
		t.Errorf("without a listener: %v", err)
	}
}

func TestHandlerContextKeepsValues(t *testing.T) {
	type key struct{}
	l := listen(t, memory)
	ctx, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer stop()
	var got any
	s := &server.Server{Drain: -1, Handler: func(handling context.Context, c *socket.Socket) {
		got = handling.Value(key{})
		stop()
		<-ctx.Done()
		if handling.Err() != nil {
			t.Error("the handler's context ended with Serve's")
		}
	}}
	dial(t, memory, l.Name())
	if err := s.Serve(ctx, l); err != nil {
		t.Error(err)
	}
	if got != "value" {
		t.Errorf("the handler's context has %v", got)
	}
}

// A clean stop is never taken for a failure of a listener that it closed.
func TestStopIsClean(t *testing.T) {
	for range 200 {
		r := serve(t, &server.Server{Handler: echoed}, listen(t, tcp), listen(t, tcp), listen(t, tcp))
		r.wait(t)
	}
}

// A handler may close its socket itself.
func TestHandlerThatClosed(t *testing.T) {
	l := listen(t, tcp)
	r := serve(t, &server.Server{Drain: -1, Handler: func(_ context.Context, c *socket.Socket) {
		c.Read(make([]byte, 1))
		c.Abort()
	}}, l)
	c := dial(t, tcp, l.Name())
	c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v; want ECONNRESET", err)
	}
	r.wait(t)
}
