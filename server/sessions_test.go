package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/echo"
	"zocalo/internal/pass"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/sockettest"
)

// serveSessions serves a socket until the test ends, and reports what failed.
func serveSessions(t *testing.T, s *server.Sessions, sockets ...*socket.Socket) (stop func() error) {
	t.Helper()
	if s.Drain == 0 {
		s.Drain = time.Nanosecond
	}
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

// Each answer leaves by the address that was asked, which a session's socket has
// as its name; one peer that asks at two has two sessions.
func TestAnswersFromWhereItWasAsked(t *testing.T) {
	for any, each := range map[string][]string{"0.0.0.0:0": {"127.0.0.1", "127.0.0.2", "127.3.4.5"}, "[::]:0": {"::1", "127.0.0.1", "127.0.0.2"}} {
		for name, serve := range map[string]func(*socket.Socket){
			"sessions": func(s *socket.Socket) {
				serveSessions(t, &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
					b := make([]byte, 100)
					for {
						if _, err := c.Read(b); err != nil {
							return
						}
						io.WriteString(c, c.Name().AddrPort().Addr().Unmap().String())
					}
				}}, s)
			},
			"echo": func(s *socket.Socket) {
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- echo.Datagrams(ctx, s) }()
				t.Cleanup(func() { stop(); <-done })
			},
		} {
			at := socket.InetName(netip.MustParseAddrPort(any))
			s := open(t, socket.Kind{Domain: at.Domain(), Type: socket.Datagram})
			option.AnswerAsAsked(s, at)
			if err := s.Bind(at); err != nil {
				t.Skip(err)
			}
			port := s.Name().AddrPort().Port()
			serve(s)
			four, six := bound(t, udp), open(t, socket.Kind{Domain: socket.Inet6, Type: socket.Datagram})
			for _, address := range each {
				to := socket.InetName(netip.AddrPortFrom(netip.MustParseAddr(address), port))
				c := four
				if to.Domain() == socket.Inet6 {
					c = six
				}
				sendTo(t, c, to, []byte(address))
				m := socket.Message{Buffers: [][]byte{make([]byte, 100)}}
				c.SetReadDeadline(time.Now().Add(20 * time.Second))
				if err := c.Receive(&m); err != nil || m.Peer != to || string(m.Buffers[0][:m.N]) != address {
					t.Errorf("%s on %s: asked at %v, %q answers from %v, %v", name, any, to, m.Buffers[0][:m.N], m.Peer, err)
				}
			}
		}
	}
}

// Peers without a name share a session, which hears them. What is written to
// them is counted.
func TestSessionOfUnnamedPeers(t *testing.T) {
	s := bound(t, unixDatagram)
	heard := make(chan string, 2)
	sessions := &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		b := make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, "answer"); err != nil {
				t.Error(err)
			}
			heard <- string(b[:n])
		}
	}}
	serveSessions(t, sessions, s)
	for _, text := range []string{"one", "two"} {
		sendTo(t, open(t, unixDatagram), s.Name(), []byte(text))
		if got := <-heard; got != text {
			t.Errorf("heard %q, want %q", got, text)
		}
	}
	if n := sessions.Dropped(); n != 2 {
		t.Errorf("%d answers were counted as dropped, want 2", n)
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

// Where the kind loses nothing, a peer that does not read its answers makes its own
// session wait and no other, and misses nothing once it reads.
func TestSessionDeafPeer(t *testing.T) {
	const messages = 600 // more than a socket's queue takes
	wrote, result := new(atomic.Int64), make(chan error, 2)
	sessions := &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		b := make([]byte, 10)
		n, _ := c.Read(b)
		if string(b[:n]) != "deaf" {
			c.Write(b[:n])
			return
		}
		for i := range messages {
			if _, err := fmt.Fprint(c, i); err != nil {
				result <- err
				return
			}
			wrote.Store(int64(i))
		}
		result <- nil
	}}
	s := bound(t, unixDatagram)
	stop := serveSessions(t, sessions, s)
	// Not connected, or its queue would have no bound but the send buffer that all
	// answers share.
	deaf := func() *socket.Socket {
		c := bound(t, unixDatagram)
		m := socket.Message{Peer: s.Name()}
		m.SetData([]byte("deaf"))
		if _, err := c.Send(&m); err != nil {
			t.Fatal(err)
		}
		for before := int64(-1); before == 0 || before != wrote.Load(); time.Sleep(20 * time.Millisecond) {
			before = wrote.Load()
		}
		return c
	}
	c := deaf()
	for range 20 {
		ask(t, client(t, unixDatagram, s.Name()), "x", "x")
	}
	for i := range messages {
		expect(t, c, fmt.Sprint(i))
	}
	if err := <-result; err != nil || sessions.Dropped() != 0 {
		t.Errorf("%v, and %d messages were dropped", err, sessions.Dropped())
	}

	wrote.Store(0)
	gone := deaf()
	gone.Close()
	if err := <-result; !pass.Is(err, syscall.ECONNREFUSED, syscall.ENOENT) {
		t.Errorf("after the peer was closed: %v", err)
	}
	wrote.Store(0)
	deaf()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil || sessions.Dropped() == 0 {
		t.Errorf("at the end of the server: %v, and %d messages were dropped", err, sessions.Dropped())
	}
}

// What waits for a peer that does not read ends by a deadline and by Close.
func TestSessionWaitsToSend(t *testing.T) {
	s := bound(t, unixDatagram)
	result := make(chan error, 2)
	stop := serveSessions(t, &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		flood := func() (err error) {
			for err == nil {
				_, err = c.Write([]byte("x"))
			}
			return err
		}
		waits := func(end func()) {
			time.AfterFunc(20*time.Millisecond, end)
			result <- flood()
		}
		waits(func() { c.SetWriteDeadline(time.Unix(1, 0)) })
		c.SetWriteDeadline(time.Time{})
		waits(func() { c.Close() })
	}}, s)
	c := bound(t, unixDatagram)
	m := socket.Message{Peer: s.Name()}
	m.SetData([]byte("hello"))
	if _, err := c.Send(&m); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
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

// A slow handler makes the senders of a kind that loses nothing wait: every
// message arrives.
func TestSessionsWait(t *testing.T) {
	s := bound(t, socket.Kind{Domain: socket.Unix, Type: socket.Datagram})
	const messages = 500
	slow, got := make(chan struct{}), 0
	done := make(chan struct{})
	srv := &server.Sessions{Queue: 1000, Handler: func(_ context.Context, c *socket.Socket) {
		defer close(done)
		<-slow
		for b := make([]byte, 200); got < messages; got++ {
			if n, err := c.Read(b); err != nil || n != 100 || b[0] != byte(got) {
				t.Errorf("message %d: %d bytes of %d, %v", got, n, b[0], err)
				return
			}
		}
	}}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- srv.Serve(ctx, s) }()
	c := bound(t, s.Kind())
	if err := c.Connect(ctx, s.Name()); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range messages {
			if i == 15 { // more than the queue takes, and less than with that of the system
				close(slow)
			}
			b := make([]byte, 100)
			b[0] = byte(i)
			c.Write(b)
		}
	}()
	<-done
	cancel()
	if err := <-over; err != nil || srv.Dropped() != 0 {
		t.Errorf("Serve = %v, %d messages dropped", err, srv.Dropped())
	}
}
