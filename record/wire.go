package record

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"zocalo/internal/pass"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// Wire returns a context in which addresses are to be opened whose layers are to be recorded from
// beneath, as the wire has it: those that are dialled, and those on which a listener is
// opened. Each such connection is one of the recording, with its
// handshake, and with Options.Secrets the secrets of TLS come before what they
// decrypt. What the ends of a pair say above them is not recorded then; an end without layers is, as
// ever. Connections of QUIC, which are no streams beneath, are recorded above.
func (r *Recorder) Wire(ctx context.Context) context.Context {
	if r.o.Secrets {
		r.listen()
	}
	return scheme.WithTap(ctx, r.tap)
}

func (r *Recorder) tap(lower *socket.Socket, passive bool, layers []*scheme.Layer) *socket.Socket {
	i := Info{Wire: true, Ends: [2]*socket.Socket{lower, nobody()}}
	t := &tap{Endpoint: lower, lower: lower, peer: outcome.A}
	if !passive {
		i.Ends[0], i.Ends[1] = i.Ends[1], i.Ends[0]
		t.peer = outcome.B
	}
	t.pair = r.Begin(i)
	if t.pair.sink == nil {
		return lower
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if r.o.Secrets && slices.ContainsFunc(layers, func(l *scheme.Layer) bool { return l.Name == "tls" }) {
		t.pair.expect()
	}
	t.pair.Open(t.ctx)
	if _, is := socket.As[socket.Messenger](lower); is {
		return socket.Wrap(messengerTap{t}, lower.Kind())
	}
	return socket.Wrap(t, lower.Kind())
}

// nobody is this program, as an end.
func nobody() *socket.Socket { return socket.Wrap(noEnd{}, socket.Kind{Type: socket.Stream}) }

type noEnd struct{}

func (noEnd) Read([]byte) (int, error)         { return 0, io.EOF }
func (noEnd) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (noEnd) Close() error                     { return nil }
func (noEnd) SetReadDeadline(time.Time) error  { return nil }
func (noEnd) SetWriteDeadline(time.Time) error { return nil }
func (noEnd) Name() socket.Name                { return socket.Name{} }
func (noEnd) Peer() socket.Name                { return socket.Name{} }

// A tap is a connection beneath layers that is recorded: whatever moves its bytes is
// its own, so that none passes it by.
type tap struct {
	socket.Endpoint
	lower *socket.Socket
	pair  *Pair
	peer  outcome.Side // whoever is at the other end of it; this program is the other side
	over  sync.Once

	ctx    context.Context // of waiting for room in a recording that must be whole: ends with the connection
	cancel context.CancelFunc
}

// isTapped is what a tap can be told from other endpoints by.
type isTapped interface{ wire() *Pair }

func (t *tap) wire() *Pair { return t.pair }

// Unwrap implements [socket.Wrapper].
func (t *tap) Unwrap() socket.Endpoint { return t.lower }

func (t *tap) came(b []byte, err error) {
	ctx := t.ctx
	if len(b) > 0 {
		t.pair.Data(ctx, t.peer, join.Bytes, b)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		t.pair.EndOfFile(ctx, t.peer)
	case pass.IsReset(err):
		t.ends(outcome.Result{How: outcome.Reset, Side: t.peer})
	}
}

func (t *tap) ends(how outcome.Result) {
	t.cancel()
	t.over.Do(func() { t.pair.End(how, nil) })
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.lower.Read(b)
	t.came(b[:n], err)
	return n, err
}

// Write records ahead of what is written, or its answer could come first.
func (t *tap) Write(b []byte) (int, error) {
	t.pair.Data(t.ctx, t.peer.Other(), join.Bytes, b)
	return t.lower.Write(b)
}

// Writev implements [socket.VectorWriter].
func (t *tap) Writev(buffers [][]byte) (int64, error) {
	for _, b := range buffers {
		t.pair.Data(t.ctx, t.peer.Other(), join.Bytes, b)
	}
	return t.lower.Writev(buffers)
}

// CopyFrom implements [socket.Copier]: nothing goes past a tap.
func (t *tap) CopyFrom(io.Reader) (int64, bool, error) { return 0, false, nil }

// CopyTo implements [socket.Copier].
func (t *tap) CopyTo(io.Writer) (int64, bool, error) { return 0, false, nil }

// Shutdown implements [socket.Shutdowner].
func (t *tap) Shutdown(how socket.ShutdownHow) error {
	if how != socket.ShutdownRead {
		t.pair.EndOfFile(t.ctx, t.peer.Other())
	}
	return t.lower.Shutdown(how)
}

func (t *tap) Close() error {
	t.ends(outcome.Result{How: outcome.Finished})
	return t.lower.Close()
}

// Abort implements [socket.Aborter].
func (t *tap) Abort() error {
	t.ends(outcome.Result{How: outcome.Reset, Side: t.peer.Other()})
	return t.lower.Abort()
}

// A messengerTap is one over a kind that has more to tell of what it carries.
type messengerTap struct{ *tap }

// Send implements [socket.Messenger].
func (t messengerTap) Send(m *socket.Message) (int, error) {
	for _, b := range m.Buffers {
		t.pair.Data(t.ctx, t.peer.Other(), join.Bytes, b)
	}
	return t.lower.Send(m)
}

// Receive implements [socket.Messenger].
func (t messengerTap) Receive(m *socket.Message) error {
	peeks := m.Flags&socket.Peek != 0
	err := t.lower.Receive(m)
	if peeks {
		return err
	}
	n := m.N
	for _, b := range m.Buffers {
		part := b[:min(n, len(b))]
		n -= len(part)
		t.came(part, nil)
	}
	t.came(nil, err)
	return err
}
