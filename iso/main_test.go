package iso

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func mustName(t testing.TB, at netip.AddrPort, s Selector) socket.Name {
	t.Helper()
	n, err := MakeName(at, s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// opened returns a socket that the test's end closes.
func opened(t testing.TB, typ socket.Type) *socket.Socket {
	t.Helper()
	s, err := socket.New(Domain, typ, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listen returns a passive socket on a port that the system chose.
func listen(t testing.TB, typ socket.Type, s Selector, change ...func(*socket.Socket)) *socket.Socket {
	t.Helper()
	return listenOn(t, typ, mustName(t, loopback, s), change...)
}

func listenOn(t testing.TB, typ socket.Type, n socket.Name, change ...func(*socket.Socket)) *socket.Socket {
	t.Helper()
	l := opened(t, typ)
	for _, f := range change {
		f(l)
	}
	if err := l.Bind(n); err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(0); err != nil {
		t.Fatal(err)
	}
	return l
}

// dial returns a client that is connected to that name.
func dial(t testing.TB, typ socket.Type, to socket.Name, change ...func(*socket.Socket)) *socket.Socket {
	t.Helper()
	c := opened(t, typ)
	for _, f := range change {
		f(c)
	}
	if err := c.Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	patient(c)
	return c
}

func accept(t testing.TB, l *socket.Socket) *socket.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	patient(s)
	return s
}

// connectedPair returns both ends of a connection, with options for both.
func connectedPair(t testing.TB, typ socket.Type, change ...func(*socket.Socket)) (client, server *socket.Socket) {
	t.Helper()
	l := listen(t, typ, "server", change...)
	defer l.Close()
	client = dial(t, typ, l.Name(), change...)
	return client, accept(t, l)
}

// patience is how long a test waits for what ought to come.
const patience = 20 * time.Second

func patient(s *socket.Socket) { s.SetDeadline(time.Now().Add(patience)) }

func with[T any](o *option.Option[T], v T) func(*socket.Socket) {
	return func(s *socket.Socket) {
		if err := o.Set(s, v); err != nil {
			panic(err)
		}
	}
}

// rawClient is a TCP connection to a listener.
func rawClient(t testing.TB, l *socket.Socket) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", AddrPort(l.Name()).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// rawServer accepts one TCP connection for a client of ours, which connects
// meanwhile; what comes of that is sent to the channel.
func rawServer(t testing.TB, typ socket.Type, serve func(net.Conn), change ...func(*socket.Socket)) (*socket.Socket, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(patience))
		serve(c)
	}()
	client := opened(t, typ)
	for _, f := range change {
		f(client)
	}
	patient(client)
	at := netip.MustParseAddrPort(l.Addr().String())
	err = client.Connect(t.Context(), mustName(t, at, "server"))
	<-done
	return client, err
}

func makeListener(typ socket.Type, s Selector) sockettest.MakeListener {
	return func() (*socket.Socket, func(context.Context) (*socket.Socket, error), func(), error) {
		l, err := socket.New(Domain, typ, 0)
		if err != nil {
			return nil, nil, nil, err
		}
		n, err := MakeName(loopback, s)
		if err == nil {
			err = l.Bind(n)
		}
		if err == nil {
			err = l.Listen(0)
		}
		if err != nil {
			l.Close()
			return nil, nil, nil, err
		}
		dial := func(ctx context.Context) (*socket.Socket, error) {
			c, err := socket.New(Domain, typ, 0)
			if err != nil {
				return nil, err
			}
			if err := c.Connect(ctx, l.Name()); err != nil {
				c.Close()
				return nil, err
			}
			return c, nil
		}
		return l, dial, func() { l.Close() }, nil
	}
}

func makePair(mk sockettest.MakeListener, change ...func(*socket.Socket)) sockettest.MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		l, dial, closeListener, err := mk()
		if err != nil {
			return nil, nil, nil, err
		}
		defer closeListener()
		if a, err = dial(context.Background()); err != nil {
			return nil, nil, nil, err
		}
		if b, err = l.Accept(context.Background()); err != nil {
			a.Close()
			return nil, nil, nil, err
		}
		return a, b, func() { a.Close(); b.Close() }, nil
	}
}

func TestStream(t *testing.T) {
	mk := makePair(makeListener(socket.Stream, "stream"))
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b, stop, err := mk()
		return a, b, stop, err
	})
}

func TestSeqPacket(t *testing.T) {
	sockettest.TestMessages(t, makePair(makeListener(socket.SeqPacket, "\x03\x02")),
		sockettest.NoEmpty(), sockettest.Largest(1<<20), sockettest.TooLarge(DefaultTSDU+1))
}

func TestListeners(t *testing.T) {
	t.Run("seqpacket", func(t *testing.T) { sockettest.TestListener(t, makeListener(socket.SeqPacket, "a")) })
	t.Run("stream", func(t *testing.T) { sockettest.TestListener(t, makeListener(socket.Stream, "")) })
}

func TestDatagram(t *testing.T) {
	sockettest.TestMessages(t, func() (a, b *socket.Socket, stop func(), err error) {
		var both [2]*socket.Socket
		stop = func() {
			for _, s := range both {
				if s != nil {
					s.Close()
				}
			}
		}
		for i, sel := range []Selector{"a", "\x00\xff"} {
			if both[i], err = socket.New(Domain, socket.Datagram, 0); err != nil {
				return nil, nil, stop, err
			}
			n, _ := MakeName(loopback, sel)
			if err := both[i].Bind(n); err != nil {
				return nil, nil, stop, err
			}
		}
		for i, s := range both {
			if err := s.Connect(context.Background(), both[1-i].Name()); err != nil {
				return nil, nil, stop, err
			}
		}
		return both[0], both[1], stop, nil
	}, sockettest.Largest(60000), sockettest.TooLarge(65508))
}
