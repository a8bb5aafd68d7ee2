package streams_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A service joins each connection with one to a target, or echoes it, and
// notes what it is told.
type service struct {
	group  streams.Group
	target sys.Sockaddr
	kind   streams.StreamKind // of the target; its zero value is an echo
	// accepted, if not nil, is called in place of connecting.
	accepted func(*streams.Conn)
	timeout  time.Duration

	mu     sync.Mutex
	paused []syscall.Errno
	failed []syscall.Errno
	ended  chan streams.Ending
	conns  int // accepted
}

func (s *service) Accepted(c *streams.Conn, listener int, peer *sys.Sockaddr) {
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	switch {
	case s.accepted != nil:
		s.accepted(c)
	case s.kind == streams.Plain:
		c.Echo()
	default:
		fd, errno := sys.Socket(s.target.Family(), unix.SOCK_STREAM, 0)
		if errno != 0 {
			c.End(outcome.Failed, outcome.B, "socket", errno)
			return
		}
		c.Connect(fd, s.kind, &s.target, s.timeout)
	}
}

func (s *service) ConnectFailed(c *streams.Conn, call string, errno syscall.Errno) {
	s.mu.Lock()
	s.failed = append(s.failed, errno)
	s.mu.Unlock()
	c.End(outcome.Failed, outcome.B, call, errno)
}

func (s *service) Ended(c *streams.Conn, how streams.Ending) {
	s.ended <- how
}

func (s *service) Paused(_ int, errno syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = append(s.paused, errno)
}

// A rig is a group that serves, with a listener of its own and one of the
// target's.
type rig struct {
	*service
	t        testing.TB
	from, to *socket.Socket // listeners
	stop     context.CancelFunc
	cut      context.CancelFunc
	over     chan error
}

var (
	tcp        = socket.Kind{Domain: socket.Inet, Type: socket.Stream}
	unixStream = socket.Kind{Domain: socket.Unix, Type: socket.Stream}
)

func streamKind(k socket.Kind) streams.StreamKind {
	if k.Domain == socket.Unix {
		return streams.Unix
	}
	return streams.TCP
}

// listenOn returns a listener of a kind.
func listenOn(t testing.TB, k socket.Kind) *socket.Socket {
	t.Helper()
	s := must(socket.New(k.Domain, k.Type, k.Protocol))(t)
	name := socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))
	if k.Domain == socket.Unix {
		dir := must(os.MkdirTemp("", "z"))(t)
		t.Cleanup(func() { os.RemoveAll(dir) })
		name = must(socket.UnixName(filepath.Join(dir, "s")))(t)
	}
	try(t, s.Bind(name))
	try(t, s.Listen(0))
	t.Cleanup(func() { s.Close() })
	return s
}

func sockaddrOf(n socket.Name) (a sys.Sockaddr) {
	if n.Domain() == socket.Unix {
		a.SetUnix([]byte(n.Path()))
		return a
	}
	ap := n.AddrPort()
	ip := ap.Addr().As4()
	a.SetInet4(ap.Port(), ip[:])
	return a
}

func fdOf(t testing.TB, s *socket.Socket) int {
	t.Helper()
	d, ok := socket.As[socket.Descriptor](s)
	if !ok {
		t.Fatal("no descriptor")
	}
	return d.FD()
}

// relaying serves from one kind to another; with an empty kind it echoes.
func relaying(t testing.TB, from, to socket.Kind, loops int, set func(*service)) *rig {
	t.Helper()
	r := &rig{service: &service{ended: make(chan streams.Ending, 1000)}, t: t, over: make(chan error, 1)}
	r.from = listenOn(t, from)
	if to != (socket.Kind{}) {
		r.to = listenOn(t, to)
		r.target, r.kind = sockaddrOf(r.to.Name()), streamKind(to)
	}
	r.group.Service = r.service
	if set != nil {
		set(r.service)
	}
	ctx, stop := context.WithCancel(context.Background())
	life, cut := context.WithCancel(context.Background())
	r.stop, r.cut = stop, cut
	lists := make([][]streams.Listening, loops)
	lists[0] = []streams.Listening{{FD: fdOf(t, r.from), Kind: streamKind(from)}}
	try(t, r.group.Listen(lists...))
	done := make(chan struct{})
	go func() {
		r.over <- r.group.Serve(ctx, life)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		cut()
		<-done
	})
	return r
}

// client connects to the group.
func (r *rig) client() *socket.Socket {
	r.t.Helper()
	k := r.from.Kind()
	s := must(socket.New(k.Domain, k.Type, k.Protocol))(r.t)
	r.t.Cleanup(func() { s.Close() })
	try(r.t, s.Connect(r.t.Context(), r.from.Name()))
	return s
}

// pair returns both who connects to the group and who is reached.
func (r *rig) pair() (a, b *socket.Socket) {
	r.t.Helper()
	a = r.client()
	b = must(r.to.Accept(r.t.Context()))(r.t)
	r.t.Cleanup(func() { b.Close() })
	return a, b
}

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writes(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	if _, err := s.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func wants(t testing.TB, s *socket.Socket, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(s, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v, want %q", b[:n], err, text)
	}
}

func wantsEOF(t testing.TB, s *socket.Socket) {
	t.Helper()
	if n, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("read %d, %v, want end-of-file", n, err)
	}
}

func wantsReset(t testing.TB, s *socket.Socket) {
	t.Helper()
	b := make([]byte, 1<<16)
	var err error
	for err == nil {
		_, err = s.Read(b)
	}
	if err == io.EOF && s.Domain() != socket.Unix { // which knows no reset
		// What comes after the end only the connection's state tells.
		const tcpClosed = 7
		await(t, "the connection is no more", func() bool {
			info, err := option.ConnectionInfo.Get(s)
			return err == nil && info.State == tcpClosed
		})
	} else if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read: %v, want a reset", err)
	}
}

// wantsNothing connects to a group that resets each client, perhaps so early
// that even connecting is told of it.
func (r *rig) wantsNothing() {
	r.t.Helper()
	s := must(socket.New(socket.Inet, socket.Stream, 0))(r.t)
	defer s.Close()
	if err := s.Connect(r.t.Context(), r.from.Name()); !errors.Is(err, syscall.ECONNRESET) {
		try(r.t, err)
		wantsReset(r.t, s)
	}
}

// wantsEnding waits for the end of a Conn.
func (r *rig) wantsEnding(how outcome.EndReason) streams.Ending {
	r.t.Helper()
	e := <-r.ended
	if e.How != how {
		r.t.Fatalf("ended by %d (%s: %v), want %d", e.How, e.Call, e.Errno, how)
	}
	return e
}

// kinds runs a test for each pair of kinds of streams.
func kinds(t *testing.T, f func(t *testing.T, from, to socket.Kind)) {
	for _, from := range []socket.Kind{tcp, unixStream} {
		for _, to := range []socket.Kind{tcp, unixStream} {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) { f(t, from, to) })
		}
	}
}

func TestJoin(t *testing.T) {
	kinds(t, func(t *testing.T, from, to socket.Kind) {
		r := relaying(t, from, to, 1, nil)
		a, b := r.pair()
		writes(t, a, "question")
		wants(t, b, "question")
		writes(t, b, "answer")
		wants(t, a, "answer")
		try(t, a.Shutdown(socket.ShutdownWrite))
		wantsEOF(t, b)
		writes(t, b, " and more")
		wants(t, a, " and more")
		b.Close()
		wantsEOF(t, a)
		e := r.wantsEnding(outcome.Finished)
		for side, bytes := range []int64{8, 15} {
			if f := e.From[side]; f.Bytes != bytes || !f.EndOfFile || !f.EndOfFileTold {
				t.Errorf("side %d: %+v, want %d bytes and the end", side, f, bytes)
			}
		}
	})
}

func TestEcho(t *testing.T) {
	for _, k := range []socket.Kind{tcp, unixStream} {
		t.Run(k.String(), func(t *testing.T) {
			r := relaying(t, k, socket.Kind{}, 1, nil)
			a := r.client()
			writes(t, a, "hola")
			wants(t, a, "hola")
			try(t, a.Shutdown(socket.ShutdownWrite))
			wantsEOF(t, a)
			if e := r.wantsEnding(outcome.Finished); e.From[outcome.A].Bytes != 4 {
				t.Errorf("%+v", e)
			}
		})
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
