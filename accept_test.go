package zocalo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"zocalo"
	"zocalo/socket"
)

// twoSockets is a listener on two real sockets, of a machine that may lack
// IPv6.
func twoSockets(t *testing.T) *zocalo.Listener {
	t.Helper()
	if !hasIPv6() {
		t.Skip("this machine has no ::1, so a listener on localhost has one socket")
	}
	return listen(t, "tcp:localhost:0")
}

func dialName(t *testing.T, n socket.Name) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), "tcp:"+n.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAcceptFromAll(t *testing.T) {
	l := twoSockets(t)
	want := map[socket.Name]socket.Name{} // by client: where it connected to
	for range 3 {
		for _, n := range l.Names() {
			want[dialName(t, n).Name()] = n
		}
	}
	for len(want) > 0 {
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if n, ok := want[s.Peer()]; !ok || s.Name() != n {
			t.Errorf("accepted %v on %v, want on %v", s.Peer(), s.Name(), n)
		}
		delete(want, s.Peer())
	}
}

// Of two sockets that always have a connection neither is left waiting. Which of them
// comes first is chance where a kind cannot say that it has one.
func TestAcceptIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin(t)
		l, err := zocalo.Listen(t.Context(), "scripted-seqpacket:a.port.7+b.port.7")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		accept := func() socket.Domain {
			s, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			return s.Name().Domain()
		}
		accept() // starts both
		got := map[socket.Domain]int{}
		for range 100 {
			synctest.Wait() // until both have one to hand over
			got[accept()]++
		}
		if got[scriptedA] < 20 || got[scriptedB] < 20 {
			t.Errorf("accepted %v: one socket had to wait for the other", got)
		}
		// The two that nobody took must be gone as well, see begin.
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func listeners(t *testing.T) map[string]func(t *testing.T) *zocalo.Listener {
	return map[string]func(t *testing.T) *zocalo.Listener{
		"one socket":  func(t *testing.T) *zocalo.Listener { return listen(t, "tcp:127.0.0.1:0") },
		"two sockets": twoSockets,
	}
}

func TestAcceptContext(t *testing.T) {
	for name, open := range listeners(t) {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended, other := make(chan error), make(chan error)
			go func() {
				_, err := l.Accept(ctx)
				ended <- err
			}()
			go func() {
				s, err := l.Accept(t.Context())
				if err == nil {
					s.Close()
				}
				other <- err
			}()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Accept ends with %v, want context.Canceled", err)
			}
			if _, err := l.Accept(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Accept with a context that has ended gives %v, want context.Canceled", err)
			}
			dialName(t, l.Name())
			if err := <-other; err != nil {
				t.Errorf("the other Accept ends with %v", err)
			}
		})
	}
}

func TestCloseEndsAccept(t *testing.T) {
	for name, open := range listeners(t) {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			const n = 4
			errs := make(chan error)
			for range n {
				go func() {
					_, err := l.Accept(context.Background())
					errs <- err
				}()
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			for range n {
				if err := <-errs; !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept ends with %v, want net.ErrClosed", err)
				}
			}
			if _, err := l.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept after Close gives %v, want net.ErrClosed", err)
			}
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a second Close gives %v, want net.ErrClosed", err)
			}
		})
	}
}

// Clients that Accept never returned find their connections reset, whether
// they were in the system's queue or taken from it already.
func TestCloseResets(t *testing.T) {
	l := twoSockets(t)
	first := dialName(t, l.Name())
	s, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Peer() != first.Name() {
		t.Fatalf("accepted %v, want %v", s.Peer(), first.Name())
	}
	waiting := []*socket.Socket{dialName(t, l.Names()[0]), dialName(t, l.Names()[0]), dialName(t, l.Names()[1])}
	l.Close()
	for _, c := range waiting {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client reads %v, want ECONNRESET", err)
		}
	}
	if _, err := s.Write([]byte("x")); err != nil {
		t.Errorf("the connection that was accepted fails: %v", err)
	}
}

func TestAcceptSetsOptions(t *testing.T) {
	for _, endpoint := range []string{"a.port.7", "a.port.7+b.port.7"} {
		begin(t)
		l := listen(t, "scripted-seqpacket:"+endpoint+",late=bad")
		if _, err := l.Accept(t.Context()); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Accept on %s fails with %v, want EINVAL of option late", endpoint, err)
		}
		l.Close()
	}
}

func echo(t *testing.T, c net.Conn) {
	t.Helper()
	sent := bytes.Repeat([]byte("hola "), 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.Write(sent); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("what came back differs, or %v", err)
	}
	wg.Wait()
}

// serveEcho echoes to every client of l until it is closed.
func serveEcho(t *testing.T, l net.Listener) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
			wg.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
}

func TestNetListener(t *testing.T) {
	for _, text := range []string{"tcp:localhost:0", "tcp:127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), "s"), "unix-seqpacket:" + filepath.Join(t.TempDir(), "s"), "memory:here"} {
		t.Run(text, func(t *testing.T) {
			l := listen(t, text)
			nl := l.NetListener()
			if nl.Addr().String() != l.Name().String() {
				t.Errorf("Addr is %v, want %v", nl.Addr(), l.Name())
			}
			serveEcho(t, nl)
			scheme, _, _ := strings.Cut(text, ":")
			for _, n := range l.Names() {
				c, err := zocalo.Dial(t.Context(), scheme+":"+n.String())
				if err != nil {
					t.Fatal(err)
				}
				if c.Type().Bounded() {
					c.Write([]byte("hola"))
					b := make([]byte, 16)
					if n, err := c.Read(b); err != nil || string(b[:n]) != "hola" {
						t.Errorf("%q came back, %v", b[:n], err)
					}
				} else {
					echo(t, c)
				}
				c.Close()
			}
		})
	}
}

// A descriptor that listens already is accepted from as it is.
func TestListenOnDescriptor(t *testing.T) {
	inherited := listen(t, "tcp:127.0.0.1:0")
	f, err := inherited.Sockets()[0].File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	syscall.CloseOnExec(fd)
	l := listen(t, "fd:"+itoa(fd))
	if l.Name() != inherited.Name() {
		t.Errorf("it listens on %v, want %v", l.Name(), inherited.Name())
	}
	c := dialName(t, l.Name())
	s, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Peer() != c.Name() {
		t.Errorf("accepted %v, want %v", s.Peer(), c.Name())
	}
}

func TestListenOnStaleFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale := listen(t, "unix:"+path)
	if fd, err := stale.Sockets()[0].Detach(); err != nil {
		t.Fatal(err)
	} else {
		syscall.Close(fd) // as a program that was killed leaves it
	}
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
	l := listen(t, "unix:"+path)
	if _, err := zocalo.Listen(t.Context(), "unix:"+path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener fails with %v, want EADDRINUSE", err)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}
