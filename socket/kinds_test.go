package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func loopback(port uint16) socket.Name {
	return socket.InetName(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
}

func loopback6(port uint16) socket.Name {
	return socket.InetName(netip.AddrPortFrom(netip.IPv6Loopback(), port))
}

// named is the internet name that is written so.
func named(text string) socket.Name { return socket.InetName(netip.MustParseAddrPort(text)) }

// A testKind is a kind, and how to get a name for it.
type testKind struct {
	socket.Kind
	name func(testing.TB) socket.Name
}

func inetKind(d socket.Domain, typ socket.Type, p socket.Protocol) testKind {
	return testKind{socket.Kind{Domain: d, Type: typ, Protocol: p}, func(testing.TB) socket.Name {
		if d == socket.Inet6 {
			return loopback6(0)
		}
		return loopback(0)
	}}
}

var lastPath atomic.Int64

// freshPath returns the name of a socket in a folder of the test's own.
func freshPath(t testing.TB) socket.Name {
	n, err := socket.UnixName(filepath.Join(t.TempDir(), fmt.Sprint(lastPath.Add(1))))
	check(t, err)
	return n
}

func unixKind(typ socket.Type) testKind {
	return testKind{socket.Kind{Domain: socket.Unix, Type: typ}, freshPath}
}

func vsockKind(typ socket.Type) testKind {
	return testKind{socket.Kind{Domain: socket.VSock, Type: typ}, func(testing.TB) socket.Name {
		return socket.VSockName(socket.VSockLocal, socket.VSockAny)
	}}
}

var (
	tcp           = inetKind(socket.Inet, socket.Stream, 0)
	tcp6          = inetKind(socket.Inet6, socket.Stream, 0)
	mptcp         = inetKind(socket.Inet, socket.Stream, socket.MPTCP)
	udp           = inetKind(socket.Inet, socket.Datagram, 0)
	udp6          = inetKind(socket.Inet6, socket.Datagram, 0)
	unixStream    = unixKind(socket.Stream)
	unixDatagram  = unixKind(socket.Datagram)
	unixSeqPacket = unixKind(socket.SeqPacket)

	streams       = []testKind{tcp, tcp6, mptcp, unixStream, vsockKind(socket.Stream)}
	seqPackets    = []testKind{unixSeqPacket, vsockKind(socket.SeqPacket)}
	datagrams     = []testKind{udp, udp6, unixDatagram}
	urgentStreams = []testKind{tcp, tcp6, unixStream}
)

// each runs a test for every kind that this machine has.
func each(t *testing.T, kinds []testKind, test func(*testing.T, testKind)) {
	for _, k := range kinds {
		name := k.String()
		if k.Domain == socket.Inet6 {
			name += "6"
		}
		t.Run(name, func(t *testing.T) {
			k.require(t)
			test(t, k)
		})
	}
}

// require skips the test where the machine lacks the kind.
func (k testKind) require(t testing.TB) {
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err == nil {
		err = s.Bind(k.name(t))
		s.Close()
	}
	for _, lacks := range []error{syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.EADDRNOTAVAIL, syscall.ENOPROTOOPT, syscall.ENODEV} {
		if errors.Is(err, lacks) {
			t.Skipf("this machine has no %v over loopback: %v", k, err)
		}
	}
	check(t, err)
}

func (k testKind) open(t testing.TB) *socket.Socket {
	t.Helper()
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func (k testKind) bound(t testing.TB) *socket.Socket {
	t.Helper()
	s := k.open(t)
	check(t, s.Bind(k.name(t)))
	return s
}

func (k testKind) listener(t testing.TB) *socket.Socket {
	t.Helper()
	s := k.bound(t)
	check(t, s.Listen(0))
	return s
}

// pair makes two connected sockets, by a listener where the kind has one.
func (k testKind) pair(t testing.TB) (a, b *socket.Socket) {
	t.Helper()
	if !k.Properties().Connected {
		a, b = k.bound(t), k.bound(t)
		check(t, a.Connect(t.Context(), b.Name()))
		check(t, b.Connect(t.Context(), a.Name()))
		return a, b
	}
	l := k.listener(t)
	a = k.open(t)
	check(t, a.Connect(t.Context(), l.Name()))
	b, err := l.Accept(t.Context())
	check(t, err)
	t.Cleanup(func() { b.Close() })
	check(t, l.Close())
	return a, b
}

func (k testKind) maker(t testing.TB) sockettest.MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		a, b = k.pair(t)
		return a, b, func() { a.Close(); b.Close() }, nil
	}
}

// socketpair is the kind that Pair makes.
func socketpair(t testing.TB, typ socket.Type) sockettest.MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		a, b, err = socket.Pair(socket.Unix, typ, 0)
		return a, b, func() { a.Close(); b.Close() }, err
	}
}

func asPipe(mk sockettest.MakePair) nettest.MakePipe {
	return func() (net.Conn, net.Conn, func(), error) { return mk() }
}

func TestStreams(t *testing.T) {
	each(t, streams, func(t *testing.T, k testKind) { nettest.TestConn(t, asPipe(k.maker(t))) })
	t.Run("socketpair", func(t *testing.T) { nettest.TestConn(t, asPipe(socketpair(t, socket.Stream))) })
}

func TestMessageKinds(t *testing.T) {
	each(t, append(datagrams, seqPackets...), func(t *testing.T, k testKind) {
		var traits []sockettest.Trait
		if k.Domain != socket.Unix && k.Type == socket.Datagram {
			traits = append(traits, sockettest.Largest(60000), sockettest.TooLarge(65536))
		}
		if k.Domain == socket.VSock {
			traits = append(traits, sockettest.NoEmpty())
		}
		sockettest.TestMessages(t, k.maker(t), traits...)
	})
	for _, typ := range []socket.Type{socket.Datagram, socket.SeqPacket} {
		t.Run("socketpair "+typ.String(), func(t *testing.T) { sockettest.TestMessages(t, socketpair(t, typ)) })
	}
}

func TestListeners(t *testing.T) {
	each(t, append(streams, seqPackets...), func(t *testing.T, k testKind) {
		sockettest.TestListener(t, func() (*socket.Socket, func(context.Context) (*socket.Socket, error), func(), error) {
			l := k.listener(t)
			name := l.Name()
			dial := func(ctx context.Context) (*socket.Socket, error) {
				c := k.open(t)
				if err := c.Connect(ctx, name); err != nil {
					c.Close()
					return nil, err
				}
				return c, nil
			}
			return l, dial, func() { l.Close() }, nil
		})
	})
}

// A call is one that is on its way in a goroutine of its own.
type call struct {
	t    testing.TB
	what string
	id   chan string
	err  chan error
}

// start makes a call, and returns once it waits.
func start(t testing.TB, what string, f func() error) *call {
	t.Helper()
	c := &call{t, what, make(chan string, 1), make(chan error, 1)}
	go func() {
		buf := make([]byte, 64)
		c.id <- strings.Fields(string(buf[:runtime.Stack(buf, false)]))[1]
		c.err <- f()
	}()
	id := <-c.id
	for !waits(id) {
		select {
		case err := <-c.err:
			t.Fatalf("%s did not wait: %v", what, err)
		default:
			runtime.Gosched()
		}
	}
	return c
}

var stacks struct {
	sync.Mutex
	buf []byte
}

// waits reports whether a goroutine waits for something that is not a lock.
func waits(id string) bool {
	stacks.Lock()
	defer stacks.Unlock()
	if stacks.buf == nil {
		stacks.buf = make([]byte, 1<<20)
	}
	all := stacks.buf[:runtime.Stack(stacks.buf, true)]
	_, state, found := bytes.Cut(all, []byte("goroutine "+id+" ["))
	return found && (bytes.HasPrefix(state, []byte("IO wait")) || bytes.HasPrefix(state, []byte("select")) || bytes.HasPrefix(state, []byte("chan receive")))
}

// end waits for the call to end, and tests its error.
func (c *call) end(want error) {
	c.t.Helper()
	if err := <-c.err; !errors.Is(err, want) {
		c.t.Errorf("%s: %v, want %v", c.what, err, want)
	}
}
