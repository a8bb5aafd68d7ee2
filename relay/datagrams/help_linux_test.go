package datagrams_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo/relay/datagrams"
	"zocalo/socket"
)

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience is how long something may take that must happen.
const patience = time.Minute

// bound returns a datagram socket at a name that the test closes: of udp at an
// address and port, of unix at what has no port. Its calls end in time.
func bound(t testing.TB, at string, options ...func(*socket.Socket) error) *socket.Socket {
	t.Helper()
	n, k := socket.Name{}, socket.Kind{Domain: socket.Unix, Type: socket.Datagram}
	if ap, err := netip.ParseAddrPort(at); err == nil {
		n = socket.InetName(ap)
		k.Domain = n.Domain()
	} else {
		n, err = socket.UnixName(at)
		try(t, err)
	}
	s, err := socket.New(k.Domain, k.Type, 0)
	try(t, err)
	t.Cleanup(func() { s.Close() })
	for _, set := range options {
		try(t, set(s))
	}
	try(t, s.Bind(n))
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return s
}

// aPath is one for a unix socket, short enough for it.
func aPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "z")
	try(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// connected returns a datagram socket with a name of its own, connected to n.
func connected(t testing.TB, n socket.Name) *socket.Socket {
	t.Helper()
	s, err := dial(context.Background(), n)
	try(t, err)
	t.Cleanup(func() { s.Close() })
	try(t, s.SetDeadline(time.Now().Add(patience)))
	return s
}

func dial(ctx context.Context, n socket.Name) (*socket.Socket, error) {
	s, err := socket.New(n.Domain(), socket.Datagram, 0)
	if err != nil {
		return nil, err
	}
	if n.Domain() == socket.Unix {
		err = s.Bind(unixName("")) // the system chooses a name
	}
	if err == nil {
		err = s.Connect(ctx, n)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func unixName(path string) socket.Name {
	n, err := socket.UnixName(path)
	if err != nil {
		panic(err)
	}
	return n
}

// to dials one name for every peer.
func to(n socket.Name) func(context.Context, datagrams.Session, []socket.Name) (*socket.Socket, error) {
	return func(ctx context.Context, _ datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		return dial(ctx, n)
	}
}

// start serves until the test ends, or the function that it returns is called.
func start(t testing.TB, r *datagrams.Relay, sockets ...*socket.Socket) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Serve(ctx, ctx, sockets...); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	stop = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// echo answers every message of s until it is closed.
func echo(t testing.TB, s *socket.Socket) {
	t.Helper()
	try(t, s.SetDeadline(time.Time{}))
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 1<<18)
		var m socket.Message
		for {
			m.SetData(b)
			if err := s.Receive(&m); err != nil {
				return
			}
			m.SetData(b[:m.N])
			m.Ancillary.Present = 0
			s.Send(&m)
		}
	})
	t.Cleanup(func() {
		s.Close()
		wg.Wait()
	})
}

// until waits for something to become true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func says(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
}

func hears(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	b := make([]byte, 1<<18)
	var m socket.Message
	m.SetData(b)
	err := s.Receive(&m)
	if err != nil || string(b[:m.N]) != text {
		t.Fatalf("Receive = %.50q (%d bytes), %v; want %.50q", b[:m.N], m.N, err, text)
	}
}

// a pending is what hooks have seen, to wait for.
type pending[T any] struct {
	mu   sync.Mutex
	seen []T
}

func (p *pending[T]) add(v T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, v)
}

func (p *pending[T]) all() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]T(nil), p.seen...)
}

// wait returns the first n, once they are there.
func (p *pending[T]) wait(t testing.TB, n int) []T {
	t.Helper()
	until(t, "a hook sees so much", func() bool { return len(p.all()) >= n })
	return p.all()[:n]
}

func parse(ap string) netip.AddrPort { return netip.MustParseAddrPort(ap) }

func repeated(n int) string { return strings.Repeat("x", n) }
