package join_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"zocalo/frame"
	"zocalo/internal/testenv"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestMain(m *testing.M) {
	sockettest.RegisterMemory()
	testenv.Main(m)
}

// A maker makes two connected sockets of one kind.
type maker struct {
	name string
	make func(testing.TB) (near, far *socket.Socket)
}

func pairOf(d socket.Domain, t socket.Type) maker {
	return maker{socket.Kind{Domain: d, Type: t}.String(), func(tb testing.TB) (near, far *socket.Socket) {
		tb.Helper()
		near, far, err := socket.Pair(d, t, 0)
		if err != nil {
			tb.Fatal(err)
		}
		return near, far
	}}
}

var loopback = socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))

var tcp = maker{"tcp", func(tb testing.TB) (near, far *socket.Socket) {
	tb.Helper()
	l := must(socket.New(socket.Inet, socket.Stream, 0))(tb)
	defer l.Close()
	try(tb, l.Bind(loopback))
	try(tb, l.Listen(0))
	near = must(socket.New(socket.Inet, socket.Stream, 0))(tb)
	try(tb, near.Connect(tb.Context(), l.Name()))
	far = must(l.Accept(tb.Context()))(tb)
	return near, far
}}

var udp = maker{"udp", func(tb testing.TB) (near, far *socket.Socket) {
	tb.Helper()
	near, far = boundUDP(tb), boundUDP(tb)
	try(tb, near.Connect(tb.Context(), far.Name()))
	try(tb, far.Connect(tb.Context(), near.Name()))
	return near, far
}}

func boundUDP(tb testing.TB) *socket.Socket {
	tb.Helper()
	s := must(socket.New(socket.Inet, socket.Datagram, 0))(tb)
	try(tb, s.Bind(loopback))
	return s
}

var (
	unix          = pairOf(socket.Unix, socket.Stream)
	unixDatagram  = pairOf(socket.Unix, socket.Datagram)
	unixSeqPacket = pairOf(socket.Unix, socket.SeqPacket)

	memory          = maker{"memory", memoryOf(socket.Stream)}
	memoryDatagram  = maker{"memory-dgram", memoryOf(socket.Datagram)}
	memorySeqPacket = maker{"memory-seqpacket", memoryOf(socket.SeqPacket)}

	streams = []maker{tcp, unix, memory}
	// Those whose reads end.
	connectedMessages = []maker{unixSeqPacket, memorySeqPacket}
	everyMessages     = []maker{unixSeqPacket, memorySeqPacket, unixDatagram, memoryDatagram, udp}
)

// promising makes unix streams of which the near one promises only that.
func promising(name string, p socket.Properties) maker {
	return maker{name, func(tb testing.TB) (near, far *socket.Socket) {
		tb.Helper()
		near, far = unix.make(tb)
		return socket.Wrap(promiser{near.Unwrap(), p}, near.Kind()), far
	}}
}

type promiser struct {
	socket.Endpoint
	p socket.Properties
}

func (p promiser) Unwrap() socket.Endpoint       { return p.Endpoint }
func (p promiser) Properties() socket.Properties { return p.p }

func memoryOf(t socket.Type) func(testing.TB) (near, far *socket.Socket) {
	return func(tb testing.TB) (near, far *socket.Socket) { return pairOf(sockettest.Memory, t).make(tb) }
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		try(tb, err)
		return v
	}
}

func try(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// A joined is a join that runs, with the sockets of those who use it.
type joined struct {
	a, b   *socket.Socket // the peers of the two ends
	end    context.CancelFunc
	done   chan struct{}
	result outcome.Result
	err    error
}

// over waits for the join's end.
func (j *joined) over() (outcome.Result, error) {
	<-j.done
	return j.result, j.err
}

// start joins one socket of each pair. a and b say how their bytes are cut.
func start(tb testing.TB, ma, mb maker, a, b join.End, o join.Options) *joined {
	tb.Helper()
	j := &joined{done: make(chan struct{})}
	j.a, a.Socket = ma.make(tb)
	b.Socket, j.b = mb.make(tb)
	j.run(tb, a, b, o)
	return j
}

func (j *joined) run(tb testing.TB, a, b join.End, o join.Options) {
	ctx, cancel := context.WithCancel(context.Background())
	j.end = cancel
	go func() {
		defer close(j.done)
		j.result, j.err = join.Join(ctx, a, b, o)
	}()
	tb.Cleanup(func() {
		cancel()
		<-j.done
		j.a.Close()
		j.b.Close()
	})
}

func plain(tb testing.TB, ma, mb maker) *joined {
	return start(tb, ma, mb, join.End{}, join.End{}, join.Options{})
}

func format(text string) join.End {
	f, err := frame.Parse(text)
	if err != nil {
		panic(err)
	}
	return join.End{Format: f}
}

// wants fails unless the next bytes to read from s are these.
func wants(tb testing.TB, s *socket.Socket, text string) {
	tb.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(s, b); err != nil || string(b) != text {
		tb.Fatalf("read %q, %v, want %q", b[:n], err, text)
	}
}

// wantsMessage fails unless the next message of s is this one.
func wantsMessage(tb testing.TB, s *socket.Socket, text string) {
	tb.Helper()
	b := make([]byte, 1<<17)
	if n, err := s.Read(b); err != nil || string(b[:n]) != text {
		tb.Fatalf("read the message %.40q (%d bytes), %v, want %.40q (%d bytes)", b[:n], n, err, text, len(text))
	}
}

func wantsEOF(tb testing.TB, s *socket.Socket) {
	tb.Helper()
	if n, err := s.Read(make([]byte, 1)); err != io.EOF {
		tb.Fatalf("read %d, %v, want end-of-file", n, err)
	}
}

// wantsCut fails unless s reads, after what is there, that the connection was
// reset.
func wantsCut(tb testing.TB, s *socket.Socket) {
	tb.Helper()
	if n, err := io.Copy(io.Discard, s); !errors.Is(err, syscall.ECONNRESET) {
		tb.Fatalf("read %d bytes, then %v, want a reset", n, err)
	}
}

func writes(tb testing.TB, s *socket.Socket, texts ...string) {
	tb.Helper()
	for _, text := range texts {
		if _, err := s.Write([]byte(text)); err != nil {
			tb.Fatal(err)
		}
	}
}

func wantsErr(tb testing.TB, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Fatalf("error %v, want %v", got, want)
	}
}

func inTemp(tb testing.TB, name string) string { return filepath.Join(tb.TempDir(), name) }
