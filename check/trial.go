package check

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/pass"
	"zocalo/socket"
)

// pause is how long an experiment lets a call wait before it does what should
// wake it. The verdict is the same if the call has not begun by then.
const pause = 10 * time.Millisecond

// A trial is one experiment on one kind: it makes the sockets, bounds them in
// time, and closes them at the end.
type trial struct {
	*Source
	ctx      context.Context
	patience time.Duration // for what should come at once
	world    *world        // where reach is tried

	stop func() bool
	mu   sync.Mutex
	open []*socket.Socket
	over bool

	// lacked is the first shortage of this host that a call met, see short.
	lacked error
}

// newTrial begins a trial, which ends all its calls when ctx does.
func newTrial(ctx context.Context, src *Source, patience time.Duration, w *world) *trial {
	t := &trial{Source: src, ctx: ctx, patience: patience, world: w}
	t.stop = context.AfterFunc(ctx, t.closeAll)
	return t
}

// end closes every socket of the trial.
func (t *trial) end() {
	t.stop()
	t.closeAll()
}

func (t *trial) closeAll() {
	t.mu.Lock()
	open := t.open
	t.open, t.over = nil, true
	t.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
}

// keep makes a socket one of the trial's.
func (t *trial) keep(s *socket.Socket, err error) (*socket.Socket, error) {
	if err != nil {
		return nil, t.note(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		s.Close()
		return nil, net.ErrClosed
	}
	t.open = append(t.open, s)
	return s, nil
}

// note returns err, and remembers it if it tells of a shortage.
func (t *trial) note(err error) error {
	if pass.IsShortage(err) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.lacked == nil {
			t.lacked = err
		}
	}
	return err
}

// shortage returns what this host was short of while the experiment ran, nil if
// of nothing. What a kind does for itself may have met it and told nobody, so
// that descriptors are tried too, while all sockets of the trial are open.
func (t *trial) shortage() error {
	t.mu.Lock()
	lacked := t.lacked
	t.mu.Unlock()
	if lacked != nil {
		return lacked
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	r.Close()
	w.Close()
	return nil
}

// patient returns a context that ends when patience does.
func (t *trial) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.ctx, t.patience)
}

func (t *trial) pair() (a, b *socket.Socket, err error) {
	ctx, cancel := t.patient()
	defer cancel()
	if a, b, err = t.connect(ctx); err != nil {
		return nil, nil, t.note(err)
	}
	_, err = t.keep(a, nil)
	_, err2 := t.keep(b, nil)
	return a, b, errors.Join(err, err2)
}

func (t *trial) fresh() (*socket.Socket, error) { return t.keep(t.New()) }

func (t *trial) named() (*socket.Socket, error) { return t.keep(t.bound(t.ctx)) }

func (t *trial) listener(backlog int) (*socket.Socket, error) {
	return t.keep(t.listen(t.ctx, backlog))
}

// accept takes a client of l's that is there, or comes within patience.
func (t *trial) accept(l *socket.Socket) (*socket.Socket, error) {
	ctx, cancel := t.patient()
	defer cancel()
	return t.keep(l.Accept(ctx))
}

// client connects a new socket to a name. A limit of 0 or less is patience.
func (t *trial) client(to socket.Name, limit time.Duration) (*socket.Socket, error) {
	if limit <= 0 {
		limit = t.patience
	}
	c, err := t.fresh()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, limit)
	defer cancel()
	if err := c.Connect(ctx, to); err != nil {
		return nil, t.note(err)
	}
	return c, nil
}

// read reads once, waiting no longer than patience.
func (t *trial) read(s *socket.Socket, b []byte) ([]byte, error) {
	s.SetReadDeadline(t.soon())
	n, err := t.next(s, b)
	return t.payload(b[:n]), err
}

// next reads once. A socket without a connection hears strangers until it has a
// peer; what one has sent is passed over, since it says nothing of the kind.
func (t *trial) next(s *socket.Socket, b []byte) (int, error) {
	_, receives := socket.As[socket.Messenger](s)
	if t.Promised.Connected || !receives || s.Peer().IsZero() {
		n, err := s.Read(b)
		return n, t.note(err)
	}
	var m socket.Message
	m.SetData(b)
	for {
		if err := s.Receive(&m); err != nil || m.Peer.IsZero() || t.same(m.Peer, s.Peer()) {
			return m.N, t.note(err)
		}
	}
}

// hear receives what was sent to a socket that has no peer, whoever it says has.
func (t *trial) hear(s *socket.Socket, sent string) (m socket.Message, err error) {
	m.SetData(make([]byte, headroom))
	s.SetReadDeadline(t.soon())
	for err == nil {
		if err = s.Receive(&m); string(t.payload(m.Buffers[0][:m.N])) == sent {
			break
		}
	}
	return m, t.note(err)
}

// same reports whether two names are, as far as the kind can tell.
func (t *trial) same(a, b socket.Name) bool {
	if a == b || a.String() == b.String() {
		return true
	}
	// There are no ports: the system writes the protocol there, or 0 (raw(7)).
	return t.Kind.Type == socket.Raw && a.AddrPort().Addr() == b.AddrPort().Addr()
}

// take reads one message of at most size bytes, or so many bytes of a
// stream.
func (t *trial) take(s *socket.Socket, size int) ([]byte, error) {
	return t.takeWithin(t.patience, s, size)
}

func (t *trial) takeWithin(limit time.Duration, s *socket.Socket, size int) ([]byte, error) {
	s.SetReadDeadline(time.Now().Add(limit))
	return t.takeNext(s, size)
}

// takeNext is take until the deadline that s has.
func (t *trial) takeNext(s *socket.Socket, size int) ([]byte, error) {
	b := make([]byte, size+headroom)
	if t.Promised.Bounded {
		n, err := t.next(s, b)
		return t.payload(b[:n]), err
	}
	n, err := io.ReadFull(s, b[:size])
	return b[:n], t.note(err)
}

// headroom is what Payload may take away, and one byte more, so that a
// message which is too long shows.
const headroom = 61

// write writes once, waiting no longer than patience.
func (t *trial) write(s *socket.Socket, b []byte) error {
	s.SetWriteDeadline(t.soon())
	_, err := s.Write(b)
	return t.note(err)
}

// missing reports whether an error says that what was waited for never came,
// and if so that patience was the reason rather than the end of the trial.
func (t *trial) missing(err error) bool {
	return t.ctx.Err() == nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded))
}

// why is the reason of a failed call, without the operation and the names
// that the text around it has already.
func why(err error) string {
	var errno syscall.Errno
	var unsupported *socket.UnsupportedError
	var op *net.OpError
	switch {
	case err == nil:
		return "no error"
	case errors.As(err, &unsupported):
		return "not supported"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "nothing within the time"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// soon is the time when patience ends.
func (t *trial) soon() time.Time { return time.Now().Add(t.patience) }

// fitting returns a size for the messages of an experiment: the one it would
// like, or the most that the kind takes.
func (t *trial) fitting(size int) int {
	if t.MostMessage > 0 && t.Promised.Bounded {
		return min(size, t.MostMessage)
	}
	return size
}
