package server_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	testenv.Main(m)
}

var (
	tcp          = socket.Kind{Domain: socket.Inet, Type: socket.Stream}
	udp          = socket.Kind{Domain: socket.Inet, Type: socket.Datagram}
	unix         = socket.Kind{Domain: socket.Unix, Type: socket.Stream}
	unixSeq      = socket.Kind{Domain: socket.Unix, Type: socket.SeqPacket}
	unixDatagram = socket.Kind{Domain: socket.Unix, Type: socket.Datagram}
	memory       = socket.Kind{Domain: sockettest.Memory, Type: socket.Stream}
	memorySeq    = socket.Kind{Domain: sockettest.Memory, Type: socket.SeqPacket}
	memoryDgram  = socket.Kind{Domain: sockettest.Memory, Type: socket.Datagram}
)

// open returns a socket that the test closes.
func open(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// bound returns a socket with a name of the system's or of the test's.
func bound(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s := open(t, k)
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

func listen(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s := bound(t, k)
	if err := s.Listen(0); err != nil {
		t.Fatal(err)
	}
	return s
}

// dial connects a new socket of the same kind to n.
func dial(t testing.TB, k socket.Kind, n socket.Name) *socket.Socket {
	t.Helper()
	s := open(t, k)
	if err := s.Connect(context.Background(), n); err != nil {
		t.Fatal(err)
	}
	return s
}

// pair returns both ends of a connection.
func pair(t testing.TB, k socket.Kind) (near, far *socket.Socket) {
	t.Helper()
	l := listen(t, k)
	near = dial(t, k, l.Name())
	far, err := l.Accept(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

func sendTo(t testing.TB, s *socket.Socket, peer socket.Name, b []byte) {
	t.Helper()
	if _, err := s.Send(&socket.Message{Buffers: [][]byte{b}, Peer: peer}); err != nil {
		t.Fatal(err)
	}
}
