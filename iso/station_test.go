package iso

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// TestSharedPort has several listeners on one port, told apart by selector,
// of both types.
func TestSharedPort(t *testing.T) {
	wild := listen(t, socket.SeqPacket, "", with(option.ReuseAddress, true))
	at := AddrPort(wild.Name())
	one := listenOn(t, socket.SeqPacket, mustName(t, at, "one"))
	two := listenOn(t, socket.Stream, mustName(t, at, "two"))
	for s, l := range map[Selector]*socket.Socket{"one": one, "two": two, "three": wild, "": wild} {
		c := dial(t, socket.SeqPacket, mustName(t, at, s))
		a := accept(t, l)
		if a.Kind() != l.Kind() || a.Name() != mustName(t, at, s) || a.Name() != c.Peer() || a.Peer() != c.Name() {
			t.Errorf("%q: %v %v from %v, and the client is %v to %v", s, a.Kind(), a.Name(), a.Peer(), c.Name(), c.Peer())
		}
		c.Write([]byte(s + "!"))
		b := make([]byte, 10)
		if n, err := a.Read(b); err != nil || string(b[:n]) != string(s)+"!" {
			t.Errorf("%q: Read %q, %v", s, b[:n], err)
		}
	}

	// The same selector twice is refused, and says so.
	again := opened(t, socket.SeqPacket)
	if err := again.Bind(mustName(t, at, "one")); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "same selector") {
		t.Errorf("Bind to a selector that is taken: %v", err)
	}
	// Each may go, the one that came first too, and the others stay.
	wild.Close()
	if err := opened(t, socket.SeqPacket).Connect(t.Context(), mustName(t, at, "three")); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("Connect to a selector that nobody has any more: %v", err)
	}
	dial(t, socket.SeqPacket, mustName(t, at, "one"))
	accept(t, one)
	one.Close()
	two.Close()
	if err := opened(t, socket.SeqPacket).Connect(t.Context(), mustName(t, at, "two")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Connect to a port that is closed: %v", err)
	}
	// And the port is free.
	listenOn(t, socket.SeqPacket, mustName(t, at, "one"), with(option.ReuseAddress, true))
}

// TestForeignPort binds to a port that another program has: here, a socket that
// is not of this domain.
func TestForeignPort(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := scheme.Lookup("iso")
	err = s.Bind(t.Context(), scheme.Target{Passive: true}, opened(t, socket.SeqPacket), mustName(t, netip.MustParseAddrPort(l.Addr().String()), "x"))
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("Bind: %v", err)
	}
}

// denied is a socket whose bind the system refuses, as it does for port 102
// without the right.
type denied struct{ *connection }

func (denied) Bind(socket.Name) error { return os.NewSyscallError("bind", syscall.EACCES) }

func TestReservedPort(t *testing.T) {
	e := opened(t, socket.SeqPacket).Unwrap().(*connection)
	s, _ := scheme.Lookup("iso")
	err := s.Bind(t.Context(), scheme.Target{Passive: true}, socket.Wrap(denied{e}, socket.Kind{Domain: Domain, Type: socket.SeqPacket}),
		mustName(t, netip.MustParseAddrPort("127.0.0.1:102"), ""))
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "port 102 is reserved") || !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") {
		t.Errorf("Bind: %v", err)
	}
}

// TestBoundClient connects from an address and port, and with a selector.
func TestBoundClient(t *testing.T) {
	l := listen(t, socket.SeqPacket, "l")
	c := opened(t, socket.SeqPacket)
	if err := c.Bind(mustName(t, loopback, "me")); err != nil {
		t.Fatal(err)
	}
	name := c.Name()
	if err := c.Connect(t.Context(), l.Name()); err != nil {
		t.Fatal(err)
	}
	s := accept(t, l)
	if c.Name() != name || s.Peer() != name || SelectorOf(name) != "me" || AddrPort(name).Port() == 0 {
		t.Errorf("bound to %v it is %v, and %v to the peer", name, c.Name(), s.Peer())
	}
	patient(c)
	c.Write([]byte("x"))
	if n, err := s.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	c.SetReadDeadline(longAgo)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after a deadline: %v", err)
	}
	// A listener cannot connect, nor what is connected listen.
	if err := l.Connect(t.Context(), l.Name()); err == nil {
		t.Error("a listener connects")
	}
	if err := c.Listen(1); err == nil {
		t.Error("a connected socket listens")
	}
	if err := c.Bind(mustName(t, loopback, "")); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Bind of a connected socket: %v", err)
	}
	if _, err := c.Accept(t.Context()); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Accept on a connected socket: %v", err)
	}
}

// TestBacklog fills the queue: one client more waits, and is let in when there
// is room.
func TestBacklog(t *testing.T) {
	l := opened(t, socket.SeqPacket)
	if err := l.Bind(mustName(t, loopback, "b")); err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(2); err != nil {
		t.Fatal(err)
	}
	dial(t, socket.SeqPacket, l.Name())
	dial(t, socket.SeqPacket, l.Name())
	st := l.Unwrap().(*connection).station
	for st.handshakes.Len() > 0 { // theirs, which a client may be ahead of
		time.Sleep(time.Millisecond)
	}
	third := opened(t, socket.SeqPacket)
	done := make(chan error, 1)
	go func() { done <- third.Connect(t.Context(), l.Name()) }()
	// It stands half open for as long as the queue is full.
	for half := 0; half == 0; {
		half = st.handshakes.Len()
	}
	select {
	case err := <-done:
		t.Fatalf("a third client is let in to a queue of two: %v", err)
	default:
	}
	accept(t, l)
	if err := <-done; err != nil {
		t.Error(err)
	}
	accept(t, l)
	accept(t, l)

	// Who waits is refused when the listener closes.
	dial(t, socket.SeqPacket, l.Name())
	dial(t, socket.SeqPacket, l.Name())
	for st.handshakes.Len() > 0 { // theirs, which a client may be ahead of
		time.Sleep(time.Millisecond)
	}
	go func() { done <- opened(t, socket.SeqPacket).Connect(t.Context(), l.Name()) }()
	for half := 0; half == 0; {
		half = st.handshakes.Len()
	}
	l.Close()
	// How depends on how far it had come: waiting in the queue, or not heard yet.
	if err := <-done; !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a client that waited for a listener that closed: %v", err)
	}
}

// TestHalfOpen makes one connection more than may be half open: the oldest is
// ended, and a client still gets in.
func TestHalfOpen(t *testing.T) {
	l := listen(t, socket.SeqPacket, "")
	var conns []net.Conn
	for range mostHalfOpen + 1 {
		conns = append(conns, rawClient(t, l))
	}
	if n, err := conns[0].Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest reads %d, %v, want its end", n, err)
	}
	dial(t, socket.SeqPacket, l.Name())
	accept(t, l)
	// The newest may still speak.
	send(t, conns[mostHalfOpen], crS7)
	if got := readPacket(t, conns[mostHalfOpen]); got == "" {
		t.Error("the newest gets no answer")
	}
	st := l.Unwrap().(*connection).station
	l.Close()
	if n := st.handshakes.Len(); n != 0 {
		t.Errorf("%d connections are half open after Close", n)
	}
}

// TestCrowd has one address take all the places for half-open connections: a
// slow client of another address keeps its own.
func TestCrowd(t *testing.T) {
	l := listen(t, socket.SeqPacket, "")
	slow := rawClient(t, l)
	crowd := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for i := range mostHalfOpen + 50 {
		c, err := crowd.DialContext(t.Context(), "tcp", AddrPort(l.Name()).String())
		if err != nil && i == 0 {
			t.Skipf("this machine has not all of 127.0.0.0/8: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	dial(t, socket.SeqPacket, l.Name())
	accept(t, l)
	send(t, slow, crS7)
	if got := readPacket(t, slow); got == "" {
		t.Error("the crowd has pushed out a client of another address")
	}
}

// TestBounds lets the bounds of a handshake pass.
func TestBounds(t *testing.T) {
	answer, request := answerBound, requestBound
	t.Cleanup(func() { answerBound, requestBound = answer, request })

	t.Run("a server that is silent", func(t *testing.T) {
		answerBound = 20 * time.Millisecond
		_, err := rawServer(t, socket.SeqPacket, func(c net.Conn) { readPacket(t, c) })
		if !errors.Is(err, syscall.ETIMEDOUT) || !strings.Contains(err.Error(), "the connection request got no answer") {
			t.Errorf("Connect: %v", err)
		}
		answerBound = answer
	})
	t.Run("a client that is silent", func(t *testing.T) {
		requestBound = 20 * time.Millisecond
		l := listen(t, socket.SeqPacket, "")
		conn := rawClient(t, l)
		conn.Write([]byte{3})
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it reads %d, %v, want its end", n, err)
		}
		l.Close()
	})
	t.Run("a queue that stays full", func(t *testing.T) {
		requestBound = 20 * time.Millisecond
		l := opened(t, socket.SeqPacket)
		l.Bind(mustName(t, loopback, ""))
		l.Listen(1)
		dial(t, socket.SeqPacket, l.Name())
		err := opened(t, socket.SeqPacket).Connect(t.Context(), l.Name())
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != Congestion || !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("Connect: %v, want congestion", err)
		}
		l.Close()
	})
}

// TestRacyStation has listeners on one port come and go, while clients do.
func TestRacyStation(t *testing.T) {
	keeper := listen(t, socket.SeqPacket, "keeper")
	at := AddrPort(keeper.Name())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 20 {
				l, _ := socket.New(Domain, socket.SeqPacket, 0)
				n, _ := MakeName(at, Selector(rune('a'+i)))
				if err := l.Bind(n); err != nil {
					t.Error(err)
				}
				all.Go(func() { l.Accept(t.Context()) })
				l.Listen(1)
				l.Close()
			}
		})
		all.Go(func() {
			for range 20 {
				c, _ := socket.New(Domain, socket.SeqPacket, 0)
				n, _ := MakeName(at, Selector(rune('a'+i)))
				if err := c.Connect(t.Context(), n); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
					t.Error(err)
				}
				c.Close()
			}
		})
		all.Go(func() { // a socket whose calls race
			for range 20 {
				s, _ := socket.New(Domain, socket.SeqPacket, 0)
				var calls sync.WaitGroup
				for _, call := range []func(){
					func() { s.Bind(mustName(t, loopback, "")) }, func() { s.Listen(1) },
					func() { s.Connect(t.Context(), keeper.Name()) }, func() { s.Name(); s.Peer(); s.Properties() }, func() { s.Close() },
				} {
					calls.Go(call)
				}
				calls.Wait()
			}
		})
	}
	all.Wait()
	dial(t, socket.SeqPacket, keeper.Name())
}

// TestLowerOptions shows that TCP's options reach it, and are those of what is
// accepted.
func TestLowerOptions(t *testing.T) {
	s := opened(t, socket.SeqPacket)
	if on, err := option.NoDelay.Get(s); !on || err != nil {
		t.Errorf("nodelay is %t, %v, want on", on, err)
	}
	if err := option.KeepAlive.Set(s, true); err != nil {
		t.Error(err)
	}
	if on, err := option.KeepAlive.Get(s); !on || err != nil {
		t.Errorf("keepalive is %t, %v", on, err)
	}
	_, server := connectedPair(t, socket.SeqPacket)
	if on, err := option.NoDelay.Get(server); !on || err != nil {
		t.Errorf("nodelay of an accepted socket is %t, %v, want on", on, err)
	}
	if _, ok := socket.As[socket.Descriptor](s); ok {
		t.Error("the descriptor beneath is taken for the endpoint's own")
	}
	if err := TPDUSize.Set(opened(t, socket.Datagram), 128); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("tpdu of a datagram socket: %v", err)
	}
	if err := Checksum.Set(s, true); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("checksum of a connection: %v", err)
	}
	if _, err := socket.New(Domain, socket.Raw, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a raw socket: %v", err)
	}
	// Listen alone binds.
	l := opened(t, socket.SeqPacket)
	if err := l.Listen(1); err != nil || AddrPort(l.Name()).Port() == 0 {
		t.Errorf("Listen without Bind: %v, %v", l.Name(), err)
	}
}

// FuzzListener feeds a whole listener arbitrary bytes. It answers or ends,
// and serves the next client.
func FuzzListener(f *testing.F) {
	f.Add(unhex(f, crS7+dt32))
	f.Add(unhex(f, crS7+"0300000802f00061"+"0300000b06800001000080"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := listen(t, socket.SeqPacket, "", with(LargestTSDU, 3000), with(Expedited, true))
		conn := rawClient(t, l)
		conn.Write(b)
		conn.(*net.TCPConn).CloseWrite()
		probe := dial(t, socket.SeqPacket, l.Name())
		buffer := make([]byte, 5000)
		for {
			s := accept(t, l)
			if s.Peer() == probe.Name() {
				break
			}
			for err := error(nil); err == nil; {
				var n int
				if n, err = s.Read(buffer); n > 3000 {
					t.Errorf("a message of %d bytes", n)
				}
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("Read hangs")
				}
			}
			s.Close()
		}
		probe.Write([]byte("x"))
		l.Close() // with what was sent still in the queue, perhaps
		for err := error(nil); err == nil; {
			_, err = conn.Read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the listener hangs")
			}
		}
		probe.Close()
		conn.Close()
	})
}
