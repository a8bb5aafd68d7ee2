package xns

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := echoOnce(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	testenv.Main(m)
}

// A hosts is two hosts that can reach each other.
type hosts struct{ a, b *Host }

func (h hosts) close() {
	h.a.Close()
	h.b.Close()
}

var (
	idA = HostID{2, 0, 0, 0, 0, 1}
	idB = HostID{2, 0, 0, 0, 0, 2}
)

// onSegment makes two hosts in memory; wrap, if not nil, is put around their
// links.
func onSegment(wrap func(Link) Link) hosts {
	var s Segment
	one := func(id HostID) *Host {
		l, err := s.Attach(id)
		if err != nil {
			panic(err)
		}
		if wrap != nil {
			l = wrap(l)
		}
		return NewHost(l)
	}
	return hosts{one(idA), one(idB)}
}

// must ends the test if something fails that the test is not about.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// listening returns a MakeListener of sockets on a host, whose clients are on
// another; set, if not nil, is done to each socket.
func listening(mk func() hosts, typ socket.Type, set func(*socket.Socket) error) sockettest.MakeListener {
	return func() (*socket.Socket, func(context.Context) (*socket.Socket, error), func(), error) {
		h := mk()
		l, err := h.b.Socket(typ)
		if err == nil && set != nil {
			err = set(l)
		}
		if err == nil {
			err = l.Listen(0)
		}
		if err != nil {
			h.close()
			return nil, nil, nil, err
		}
		dial := func(ctx context.Context) (*socket.Socket, error) {
			c, err := h.a.Socket(typ)
			if err == nil && set != nil {
				err = set(c)
			}
			if err != nil {
				return nil, err
			}
			if err := c.Connect(ctx, l.Name()); err != nil {
				c.Close()
				return nil, err
			}
			return c, nil
		}
		return l, dial, func() { l.Close(); h.close() }, nil
	}
}

// connected returns a MakePair of both ends of a connection.
func connected(mk sockettest.MakeListener) sockettest.MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		l, dial, stopAll, err := mk()
		if err != nil {
			return nil, nil, nil, err
		}
		if a, err = dial(context.Background()); err != nil {
			stopAll()
			return nil, nil, nil, err
		}
		if b, err = l.Accept(context.Background()); err != nil {
			a.Close()
			stopAll()
			return nil, nil, nil, err
		}
		return a, b, func() { a.Close(); b.Close(); stopAll() }, nil
	}
}

func inMemory() hosts { return onSegment(nil) }

// overUDP makes two hosts that meet on loopback.
func overUDP(t testing.TB) hosts {
	far := must[Link](t)(OpenLink(context.Background(), "udp-listen:127.0.0.1:0", idB))
	near := must[Link](t)(OpenLink(context.Background(), "udp:"+far.(*udp).LocalAddr().String(), idA))
	return hosts{NewHost(near), NewHost(far)}
}

func asConns(mk sockettest.MakePair) nettest.MakePipe {
	return func() (net.Conn, net.Conn, func(), error) {
		a, b, stop, err := mk()
		return a, b, stop, err
	}
}
