package sockettest

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

func TestMain(m *testing.M) {
	RegisterMemory()
	if os.Getenv(faultsVariable) != "" { // its tests end in the middle
		os.Exit(m.Run())
	}
	testenv.Main(m)
}

var lastName atomic.Int64

// freshName returns a name in memory that no other test uses.
func freshName(t testing.TB) socket.Name {
	t.Helper()
	n, err := MemoryName(fmt.Sprintf("%s %d", t.Name(), lastName.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func open(t testing.TB, d socket.Domain, typ socket.Type) *socket.Socket {
	t.Helper()
	s, err := socket.New(d, typ, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listening returns a MakeListener of sockets that bind to that name.
func listening(d socket.Domain, typ socket.Type, name func() socket.Name) MakeListener {
	return func() (*socket.Socket, func(context.Context) (*socket.Socket, error), func(), error) {
		l, err := socket.New(d, typ, 0)
		if err != nil {
			return nil, nil, nil, err
		}
		if err = l.Bind(name()); err == nil {
			err = l.Listen(0)
		}
		if err != nil {
			l.Close()
			return nil, nil, nil, err
		}
		dial := func(ctx context.Context) (*socket.Socket, error) {
			c, err := socket.New(d, typ, 0)
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

// connected returns a MakePair of both ends of a connection to a listener.
func connected(mk MakeListener) MakePair {
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

func paired(typ socket.Type) MakePair {
	return func() (a, b *socket.Socket, stop func(), err error) {
		a, b, err = socket.Pair(Memory, typ, 0)
		return a, b, func() { a.Close(); b.Close() }, err
	}
}

func asConns(mk MakePair) nettest.MakePipe {
	return func() (net.Conn, net.Conn, func(), error) {
		a, b, stop, err := mk()
		return a, b, stop, err
	}
}
