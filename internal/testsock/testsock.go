// Package testsock gives tests sockets of package socket, by kind: open, with a name,
// listening, connected. The test closes them, and fails where one cannot be had. It is for
// tests alone; what is dialled by address is layertest's or the root's.
package testsock

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// The kinds that most tests are about. Those of memory need [sockettest.RegisterMemory].
var (
	TCP          = socket.Kind{Domain: socket.Inet, Type: socket.Stream}
	UDP          = socket.Kind{Domain: socket.Inet, Type: socket.Datagram}
	Unix         = socket.Kind{Domain: socket.Unix, Type: socket.Stream}
	UnixSeq      = socket.Kind{Domain: socket.Unix, Type: socket.SeqPacket}
	UnixDatagram = socket.Kind{Domain: socket.Unix, Type: socket.Datagram}
	Memory       = socket.Kind{Domain: sockettest.Memory, Type: socket.Stream}
	MemorySeq    = socket.Kind{Domain: sockettest.Memory, Type: socket.SeqPacket}
	MemoryDgram  = socket.Kind{Domain: sockettest.Memory, Type: socket.Datagram}
)

// Open returns a socket that the test closes.
func Open(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Bound returns a socket with a name of the system's or of the test's.
func Bound(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s := Open(t, k)
	var n socket.Name
	var err error
	switch k.Domain {
	case socket.Inet:
		n = socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))
	case socket.Inet6:
		n = socket.InetName(netip.MustParseAddrPort("[::1]:0"))
	case socket.Unix:
		n, err = socket.UnixName(filepath.Join(tempDir(t), "s"))
	case sockettest.Memory:
		n, err = sockettest.MemoryName(fmt.Sprintf("%s %p", t.Name(), s))
	}
	if err == nil {
		err = s.Bind(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tempDir is short enough for the path of a unix socket.
func tempDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "z")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Listen returns a socket that listens, with a name as Bound gives it.
func Listen(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s := Bound(t, k)
	if err := s.Listen(0); err != nil {
		t.Fatal(err)
	}
	return s
}

// Dial connects a new socket of the same kind to n.
func Dial(t testing.TB, k socket.Kind, n socket.Name) *socket.Socket {
	t.Helper()
	s := Open(t, k)
	if err := s.Connect(context.Background(), n); err != nil {
		t.Fatal(err)
	}
	return s
}

// Pair returns both ends of a connection.
func Pair(t testing.TB, k socket.Kind) (near, far *socket.Socket) {
	t.Helper()
	l := Listen(t, k)
	near = Dial(t, k, l.Name())
	far, err := l.Accept(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}
