package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/internal/units"
	"zocalo/socket"
	"zocalo/socket/wait"
)

// The most handshakes of a listener at once, and how many it may be until a client has to
// show that it is where its packets say: then each costs one round trip more, and packets
// with forged sources cost nothing but an answer. Past the most, only who has no more begun
// than others may begin one, for which another gives way; and in all no more than so many
// times the most, with those that are on their way there.
const (
	maxHandshakes = 1024
	crowd         = 128
	mostBegun     = 4
)

// A listener takes connections of a transport, and the streams that their peers open.
type listener struct {
	kind      socket.Kind
	transport *transport
	prepared  *prepared
	take      func(context.Context, *connection) error // serves one whose handshake is done, or says why not
	quic      *quicgo.EarlyListener
	backlog   *wait.Backlog[*stream]
	serving   context.Context // ends with the listener
	stop      context.CancelFunc
	accepted  chan struct{} // closed when nothing is accepted any more

	handshakes wait.Handshakes[*arrival]

	mu    sync.Mutex
	begun int                // handshakes, including those that are not among those above yet
	by    map[netip.Addr]int // how many of them each Subscriber has begun
	err   error              // why nothing comes any more
	admit func(*socket.Socket) bool
	shook func(*socket.Socket, error)
}

// listen begins to take connections of the transport. take is nil for streams, which go to
// the queue.
func listen(k socket.Kind, t *transport, p *prepared, backlog int, take func(context.Context, *connection) error) (*listener, error) {
	l := &listener{kind: k, transport: t, prepared: p, backlog: wait.NewBacklog[*stream](backlog), accepted: make(chan struct{}), by: map[netip.Addr]int{}}
	if l.take = take; take == nil {
		l.take = l.streams
	}
	l.serving, l.stop = context.WithCancel(context.Background())
	l.handshakes = wait.Handshakes[*arrival]{
		Run: l.shake, Peer: func(a *arrival) any { return a.told.peer.Subscriber() },
		Max: maxHandshakes, Timeout: p.handshake,
	}
	if !t.listener.CompareAndSwap(nil, l) {
		return nil, os.NewSyscallError("listen", syscall.EADDRINUSE)
	}
	var err error
	if l.quic, err = t.quic.ListenEarly(p.tls.Server(), p.quic); err != nil {
		t.listener.Store(nil)
		return nil, p.handshakeError(err)
	}
	go l.accept()
	return l, nil
}

// An arrival is a connection that is being made.
type arrival struct {
	told    told         // guarded by the listener's mu
	conn    *quicgo.Conn // once the client has said what it wants
	settled atomic.Bool  // nobody need tell any more how it ended
	counted sync.Once
}

type arrivalKey struct{}

// arrives is called for the first packet of each connection.
func (l *listener) arrives(ctx context.Context, info *quicgo.ClientInfo) (context.Context, error) {
	peer, err := socket.NameOf(info.RemoteAddr)
	if err != nil {
		return nil, err
	}
	a := &arrival{told: told{own: l.transport.name, peer: peer}}
	l.mu.Lock()
	admit := l.admit
	l.mu.Unlock()
	if admit != nil && !admit(socket.Wrap(a.told, l.kind)) {
		return nil, errors.New("not admitted")
	}
	if !l.begins(a) {
		return nil, errors.New("too many handshakes are in progress")
	}
	context.AfterFunc(ctx, func() {
		a.done(l)
		l.failed(a, context.Cause(ctx))
	})
	return context.WithValue(ctx, arrivalKey{}, a), nil
}

// crowded reports whether clients have to show first that they are where they say.
func (l *listener) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun >= crowd
}

// begins counts an arrival, if it may begin: where there are many, only one of a Subscriber
// that has fewer than another.
func (l *listener) begins(a *arrival) bool {
	from := a.told.peer.Subscriber()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun >= l.handshakes.Max {
		most := 0
		for _, n := range l.by {
			most = max(most, n)
		}
		if l.begun >= mostBegun*l.handshakes.Max || l.by[from] >= most {
			return false
		}
	}
	l.begun++
	l.by[from]++
	return true
}

// done takes an arrival off the number of those that have begun.
func (a *arrival) done(l *listener) {
	a.counted.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		from := a.told.peer.Subscriber()
		l.begun--
		if l.by[from]--; l.by[from] == 0 {
			delete(l.by, from)
		}
	})
}

// accept takes connections whose clients have said what they want.
func (l *listener) accept() {
	defer close(l.accepted)
	for {
		c, err := l.quic.Accept(context.Background())
		if err != nil {
			l.ends(err)
			return
		}
		a := c.Context().Value(arrivalKey{}).(*arrival)
		a.conn = c
		l.handshakes.Begin(a)
	}
}

// ends notes that nothing comes any more, as when the socket beneath failed.
func (l *listener) ends(err error) {
	l.mu.Lock()
	l.err = bare(err)
	l.mu.Unlock()
	var aborts sync.WaitGroup // each waits for its peer
	for _, s := range l.backlog.Close() {
		aborts.Go(func() { s.AbortCode(codeUnserved) })
	}
	aborts.Wait()
	l.backlog.Arrived.Ring()
}

// shake waits until the handshake of a connection is done and its peer has opened a
// stream: one that asks for nothing has no other bound.
func (l *listener) shake(ctx context.Context, a *arrival, heard func()) {
	defer a.done(l)
	heard() // what the client wants is the first thing it says
	c := a.conn
	established := c.HandshakeComplete()
	if c.ConnectionState().Used0RTT {
		established = already // for what the client has sent ahead of it
	}
	select {
	case <-established:
	case <-c.Context().Done():
		if !wait.IsClosed(c.HandshakeComplete()) {
			return
		} // else what came ahead of its end counts
	case <-ctx.Done():
		l.refuse(ctx, a)
		return
	}
	own, err := socket.NameOf(c.LocalAddr())
	if err != nil {
		own = l.transport.name
	}
	l.transport.enter()
	n := newConnection(c, l.transport, l.prepared, own, a.told.peer, func(*connection) {})
	n.lasts += acceptedLonger
	defer n.leave()
	l.mu.Lock()
	a.told.own, a.told.facts = own, n.facts
	l.mu.Unlock()
	if err := l.take(ctx, n); err != nil && c.Context().Err() == nil {
		if ctx.Err() == nil {
			c.CloseWithError(codeReset, err.Error())
			l.settle(a, err)
			return
		}
		l.refuse(ctx, a)
	}
	l.settle(a, nil)
}

// streams takes the streams of a connection, once the peer has opened the first.
func (l *listener) streams(ctx context.Context, c *connection) error {
	s, err := c.quic.AcceptStream(ctx)
	if err == nil {
		c.enter()
		go l.serve(c, s)
	}
	return err
}

// refuse ends a connection in the middle of its handshake, or before it has a stream.
func (l *listener) refuse(ctx context.Context, a *arrival) {
	cause := context.Cause(ctx)
	if errors.Is(cause, os.ErrDeadlineExceeded) {
		cause = fmt.Errorf("the peer did not finish the handshake and open a stream within %s: handshake-timeout=TIME allows more", units.Set(l.prepared.handshake))
	}
	l.failed(a, cause)
	a.conn.CloseWithError(codeReset, "")
}

// serve takes the streams of a connection, of which it has one user's place until the first is
// in the queue: from then on the streams alone keep it. Once the listener is closed they are
// reset, as nobody would take them.
func (l *listener) serve(c *connection, s *quicgo.Stream) {
	serves := l.put(c, s)
	c.leave()
	for serves {
		var err error
		if s, err = c.quic.AcceptStream(l.serving); err != nil {
			break
		}
		serves = l.put(c, s)
	}
	for {
		s, err := c.quic.AcceptStream(context.Background())
		if err != nil {
			return
		}
		abort(s, codeUnserved)
	}
}

// put puts a stream into the queue, once there is room. Until then the peer has as many
// as it may have open.
func (l *listener) put(c *connection, s *quicgo.Stream) bool {
	c.enter()
	e := accepted(l.kind, c, s)
	limits := wait.Limits{Ctx: c.quic.Context(), Closed: l.serving.Done(), Deadline: never}
	err := limits.Await(l.backlog.Room, "accept", func() (bool, error) { return l.backlog.Put(e) })
	if err != nil {
		e.AbortCode(codeUnserved)
	}
	return err == nil
}

// already is closed.
var already = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

var never = func() *wait.Deadline {
	d := new(wait.Deadline)
	d.Init()
	return d
}()

// settle tells, once, how a handshake ended.
func (l *listener) settle(a *arrival, err error) {
	l.mu.Lock()
	shook, what := l.shook, a.told
	l.mu.Unlock()
	if !a.settled.Swap(true) && shook != nil {
		shook(socket.Wrap(what, l.kind), err)
	}
}

// failed tells that a handshake came to nothing, unless that is since the listener is closed.
func (l *listener) failed(a *arrival, err error) {
	if l.serving.Err() == nil {
		l.settle(a, l.prepared.handshakeError(err))
	}
}

func (l *listener) close() {
	l.stop()
	l.quic.Close()
	<-l.accepted // every one has a handshake, which the next ends
	l.handshakes.Close()
	l.transport.listener.CompareAndSwap(l, nil)
}

// told has the names of a connection, and what there is to tell of it; nothing else.
type told struct {
	own, peer       socket.Name
	facts           func() []socket.Fact // nil ahead of the handshake
	socket.Endpoint                      // nil
}

func (t told) Name() socket.Name { return t.own }
func (t told) Peer() socket.Name { return t.peer }
func (t told) Close() error      { return nil }
func (t told) Abort() error      { return nil }
func (t told) Facts() []socket.Fact {
	if t.facts == nil {
		return nil
	}
	return t.facts()
}

// Listen implements [socket.Acceptor].
func (e *stream) Listen(backlog int) error {
	if err := e.begin(listening, nil); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	var err error
	e.listener, err = listen(e.kind, e.transport, e.prepared, backlog, nil)
	return err
}

// Accept implements [socket.Acceptor].
func (e *stream) Accept(ctx context.Context) (accepted socket.Endpoint, err error) {
	e.mu.Lock()
	l := e.listener
	e.mu.Unlock()
	if l == nil {
		return nil, os.NewSyscallError("accept", syscall.EINVAL)
	}
	limits := e.life.ReadLimits(ctx)
	err = limits.Await(l.backlog.Arrived, "accept", func() (bool, error) {
		if s, ok := l.backlog.Take(); ok {
			accepted = s
			return true, nil
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.err != nil, l.err
	})
	return accepted, err
}

// Admit implements [socket.Admitter].
func (e *stream) Admit(admit func(*socket.Socket) bool) {
	e.tell(func(l *listener) { l.admit = admit })
}

// OnHandshake implements [socket.HandshakeTeller].
func (e *stream) OnHandshake(f func(*socket.Socket, error)) {
	e.tell(func(l *listener) { l.shook = f })
}

func (e *stream) tell(set func(*listener)) {
	e.mu.Lock()
	l := e.listener
	e.mu.Unlock()
	l.tell(set)
}

// tell changes whom a listener tells; nil is none yet.
func (l *listener) tell(set func(*listener)) {
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		set(l)
	}
}

var _ net.Error = (*brokenError)(nil)
