package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// serveSessions serves a socket until the test ends, and reports what failed.
func serveSessions(t *testing.T, s *server.Sessions, sockets ...*socket.Socket) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, sockets...) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// echoSession answers each message with its number in the session before it.
func echoSession(_ context.Context, c *socket.Socket) {
	b := make([]byte, 64<<10)
	for i := 1; ; i++ {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%d %s", i, b[:n])
	}
}

// client returns a socket of the kind connected to the server's.
func client(t *testing.T, k socket.Kind, to socket.Name) *socket.Socket {
	t.Helper()
	c := bound(t, k)
	if err := c.Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(t *testing.T, c *socket.Socket, message, want string) {
	t.Helper()
	if _, err := io.WriteString(c, message); err != nil {
		t.Fatal(err)
	}
	expect(t, c, want)
}

func expect(t *testing.T, c *socket.Socket, want string) {
	t.Helper()
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
}

// Each peer has a session of its own, of whatever kind.
func TestSessions(t *testing.T) {
	for name, k := range map[string]socket.Kind{"udp": udp, "unix": unixDatagram, "memory": memoryDgram} {
		t.Run(name, func(t *testing.T) {
			s := bound(t, k)
			stop := serveSessions(t, &server.Sessions{Handler: echoSession}, s)
			a, b := client(t, k, s.Name()), client(t, k, s.Name())
			ask(t, a, "x", "1 x")
			ask(t, b, "y", "1 y")
			ask(t, a, "", "2 ")
			ask(t, b, "z", "2 z")
			if err := stop(); err != nil {
				t.Error(err)
			}
			if err := s.Close(); !errors.Is(err, net.ErrClosed) {
				t.Error("Serve left its socket open")
			}
		})
	}
}

// Several sockets are served by one call, and a peer of two has two sessions.
func TestSessionsOfSeveralSockets(t *testing.T) {
	first, second := bound(t, udp), bound(t, udp)
	serveSessions(t, &server.Sessions{Handler: echoSession}, first, second)
	c := bound(t, udp)
	for _, to := range []*socket.Socket{first, second} {
		if err := c.Connect(t.Context(), to.Name()); err != nil {
			t.Fatal(err)
		}
		ask(t, c, "x", "1 x")
	}
}

// A session's socket is that of the peer, reads whole messages, and says when
// one did not fit.
func TestSessionSocket(t *testing.T) {
	s := bound(t, udp)
	sessions := make(chan *socket.Socket)
	release := make(chan struct{})
	serveSessions(t, &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) { sessions <- c; <-release }}, s)
	defer close(release)
	peer := client(t, udp, s.Name())
	io.WriteString(peer, "hello")
	c := <-sessions
	if c.Peer() != peer.Name() || c.Name() != s.Name() || c.Kind() != udp {
		t.Errorf("session of %v at %v, kind %v", c.Peer(), c.Name(), c.Kind())
	}
	b := make([]byte, 2)
	if n, err := c.Read(b); string(b[:n]) != "he" || !errors.Is(err, socket.ErrTruncated) {
		t.Errorf("Read = %q, %v", b[:n], err)
	}
	io.WriteString(peer, "again")
	var m socket.Message
	m.Buffers = [][]byte{make([]byte, 3), make([]byte, 10)}
	if err := c.Receive(&m); err != nil || m.N != 5 || m.Size != 5 || m.Peer != peer.Name() || string(m.Buffers[1][:2]) != "in" {
		t.Errorf("Receive: %v, %+v", err, m)
	}
	m = socket.Message{Buffers: [][]byte{[]byte("an"), []byte("swer")}}
	if n, err := c.Send(&m); n != 6 || err != nil {
		t.Errorf("Send = %d, %v", n, err)
	}
	expect(t, peer, "answer")
	m.Peer = s.Name()
	if _, err := c.Send(&m); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Send to another peer: %v", err)
	}
	c.SetReadDeadline(time.Now())
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after the deadline: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	go c.Close()
	if _, err := c.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read while closing: %v", err)
	}
	if _, err := c.Write(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	io.WriteString(peer, "a new one")
	second := <-sessions // though the first handler has not returned
	if n, err := second.Read(make([]byte, 100)); n != 9 || err != nil {
		t.Errorf("Read of the next session = %d, %v", n, err)
	}
}

// A session to and from which nothing passes reads its end, and the next
// message begins another.
func TestSessionIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := boundInMemory(t, "idle")
		var sessions atomic.Int64
		stop := serveSessions(t, &server.Sessions{Idle: time.Minute, Handler: func(ctx context.Context, c *socket.Socket) {
			sessions.Add(1)
			b := make([]byte, 10)
			for {
				if _, err := c.Read(b); err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error("a session's end: ", err)
					}
					return
				}
			}
		}}, s)
		c := boundInMemory(t, "idle client")
		if err := c.Connect(t.Context(), s.Name()); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			wait     time.Duration
			sessions int64
		}{{0, 1}, {50 * time.Second, 1}, {59 * time.Second, 1}, {61 * time.Second, 2}, {time.Hour, 3}} {
			time.Sleep(step.wait)
			io.WriteString(c, "x")
			synctest.Wait()
			if n := sessions.Load(); n != step.sessions {
				t.Errorf("after a pause of %v there were %d sessions, want %d", step.wait, n, step.sessions)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

func boundInMemory(t *testing.T, name string) *socket.Socket {
	s, err := socket.New(memoryDgram.Domain, memoryDgram.Type, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := sockettest.MemoryName(name)
	if err == nil {
		err = s.Bind(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The session that was idle longest makes room for one more.
func TestSessionsMax(t *testing.T) {
	s := bound(t, udp)
	serveSessions(t, &server.Sessions{Max: 2, Handler: echoSession}, s)
	a, b, c := client(t, udp, s.Name()), client(t, udp, s.Name()), client(t, udp, s.Name())
	ask(t, a, "x", "1 x")
	ask(t, b, "x", "1 x")
	ask(t, a, "x", "2 x")
	ask(t, c, "x", "1 x") // instead of b
	ask(t, a, "x", "3 x")
	ask(t, b, "x", "1 x") // instead of c
	ask(t, a, "x", "4 x")
	ask(t, c, "x", "1 x")
}

// What a handler does not read in time is dropped and counted, and so are new
// peers while too many handlers do not return.
func TestSessionsBounds(t *testing.T) {
	s := bound(t, unixDatagram)
	release := make(chan struct{})
	began := make(chan struct{}, 10)
	sessions := &server.Sessions{Max: 1, Queue: 20, MaxMessage: 50, Handler: func(_ context.Context, c *socket.Socket) {
		began <- struct{}{}
		<-release
		echoSession(context.Background(), c)
	}}
	stop := serveSessions(t, sessions, s)
	a := client(t, unixDatagram, s.Name())
	dropped := func(want int64) {
		t.Helper()
		for sessions.Dropped() < want {
			time.Sleep(time.Millisecond)
		}
		if n := sessions.Dropped(); n != want {
			t.Errorf("%d messages were dropped, want %d", n, want)
		}
	}
	io.WriteString(a, "0123456789") // 14 octets of the queue
	<-began
	io.WriteString(a, "0123456789")
	dropped(1)
	a.Write(make([]byte, 51))
	dropped(2)
	b := client(t, unixDatagram, s.Name())
	io.WriteString(b, "x") // takes a's place, whose handler goes on
	<-began
	io.WriteString(a, "x")
	dropped(3)
	close(release)
	expect(t, a, "1 0123456789")
	expect(t, b, "1 x")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A peer that does not read its answers does not stop the others for long.
func TestSessionDeafPeer(t *testing.T) {
	s := bound(t, unixDatagram)
	sessions := &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		b := make([]byte, 10)
		n, _ := c.Read(b)
		for range 5000 { // more than a socket's queue takes
			if _, err := c.Write(b[:n]); err != nil {
				return // the peer is gone
			}
			if string(b[:n]) != "deaf" {
				return
			}
		}
	}}
	stop := serveSessions(t, sessions, s)
	deaf, other := client(t, unixDatagram, s.Name()), client(t, unixDatagram, s.Name())
	io.WriteString(deaf, "deaf")
	for sessions.Dropped() == 0 {
		time.Sleep(time.Millisecond)
	}
	// What the deaf peer's queue holds is charged to the server's send buffer,
	// which may be full with it: then the others lose answers as well, and
	// still hear of the rest once the deaf one is gone.
	deaf.Close()
	ask(t, other, "x", "x")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestSessionsAllow(t *testing.T) {
	for name, allowed := range map[string]bool{"127.0.0.0/8": true, "10.0.0.0/8": false} {
		s := bound(t, udp)
		l, err := server.ParseList([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		sessions := &server.Sessions{Handler: echoSession, Allow: l}
		serveSessions(t, sessions, s)
		c := client(t, udp, s.Name())
		if allowed {
			ask(t, c, "x", "1 x")
			continue
		}
		io.WriteString(c, "x")
		for sessions.Dropped() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// Open sessions go on while the server drains, and no other begins.
func TestSessionsDrain(t *testing.T) {
	for name, drain := range map[string]time.Duration{"over": time.Nanosecond, "long enough": -1, "aborted": time.Hour} {
		t.Run(name, func(t *testing.T) {
			s := bound(t, udp)
			ended := make(chan error, 1)
			sessions := &server.Sessions{Drain: drain, Handler: func(ctx context.Context, c *socket.Socket) {
				b := make([]byte, 10)
				for {
					n, err := c.Read(b)
					if err == nil && string(b[:n]) != "end" {
						c.Write(b[:n])
						continue
					}
					ended <- err
					return
				}
			}}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- sessions.Serve(ctx, s) }()
			c := client(t, udp, s.Name())
			ask(t, c, "x", "x")
			cancel()
			var want error = io.EOF
			switch name {
			case "long enough":
				ask(t, c, "y", "y")
				io.WriteString(c, "end")
				want = nil
			case "aborted":
				sessions.Abort()
			}
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("the session ended with %v, want %v", err, want)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSessionsErrors(t *testing.T) {
	if err := new(server.Sessions).Serve(t.Context(), bound(t, udp)); err == nil {
		t.Error("Serve without a handler")
	}
	if err := (&server.Sessions{Handler: echoSession}).Serve(t.Context()); err == nil {
		t.Error("Serve without a socket")
	}
	s := bound(t, udp)
	s.Close()
	if err := (&server.Sessions{Handler: echoSession}).Serve(t.Context(), s); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve of a closed socket: %v", err)
	}
}

// A message that passes allocates nothing.
func TestSessionAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := bound(t, udp)
	b := make([]byte, 100)
	serveSessions(t, &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			c.Write(b[:n])
		}
	}}, s)
	c := client(t, udp, s.Name())
	message, answer := []byte("message"), make([]byte, 100)
	n := testing.AllocsPerRun(200, func() {
		if _, err := c.Write(message); err != nil {
			t.Error(err)
		}
		if _, err := c.Read(answer); err != nil {
			t.Error(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations a message", n)
	}
}
