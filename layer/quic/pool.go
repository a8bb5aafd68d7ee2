package quic

import (
	"context"
	"errors"
	"syscall"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/internal/units"
	"zocalo/socket"
)

// A route is between which names connections of an address are shared: from the zero
// Name where the system chooses.
type route struct{ from, to socket.Name }

// A dial is a connection that is being made, for all that wait for it.
type dial struct {
	waiting int // guarded by prepared.mu
	cancel  context.CancelFunc
	done    chan struct{}
	conn    *connection
	err     error

	left bool   // who began it is gone; guarded by prepared.mu
	own  opened // for who began it, with a user's place of conn
}

// opened is a stream, or why there is none.
type opened struct {
	stream  *quicgo.Stream
	isEarly bool
	err     error
}

// connect returns a new stream to a peer, of a connection that there is already or of
// a new one. isEarly says that its handshake may not be done. The end of ctx ends the call, and
// a handshake that nobody else waits for.
func (p *prepared) connect(ctx context.Context, b *base, peer socket.Name) (_ *connection, _ *quicgo.Stream, isEarly bool, _ error) {
	r := route{b.source(), peer}
	for {
		p.mu.Lock()
		for _, c := range p.open[r] {
			isEarly = shaking(c.quic)
			if s, err := c.openStream(); err == nil {
				p.mu.Unlock()
				return c, s, isEarly, nil
			}
		}
		d, begun := p.dials[r], false
		if d == nil {
			t, err := b.transportToDial()
			if err != nil {
				p.mu.Unlock()
				return nil, nil, false, err
			}
			d, begun = p.begin(r, t), true
		}
		d.waiting++
		p.mu.Unlock()
		if err := p.await(ctx, r, d, begun); err != nil {
			return nil, nil, false, err
		}
		if !begun {
			continue
		}
		s, isEarly, err := d.conn.firstStream(ctx, d.own)
		if err != nil {
			d.conn.leave()
			if err == errNoStream {
				d.conn.closeQuiet(0)
				err = &socket.HintError{Err: &refusedError{"the peer accepts connections, but took no stream within " + units.Set(p.handshake), syscall.ETIMEDOUT}, Hint: "handshake-timeout=TIME allows more"}
			}
			return nil, nil, false, p.handshakeError(err)
		}
		return d.conn, s, isEarly, nil
	}
}

// firstStream has the first stream of a new connection announced. A peer that takes none takes
// none yet, which is waited for; and a connection that was made ahead of its handshake may begin
// anew by then.
func (c *connection) firstStream(ctx context.Context, first opened) (s *quicgo.Stream, isEarly bool, err error) {
	s, isEarly, err = first.stream, first.isEarly, first.err
	if isLimit(err) {
		s, err = c.awaitStream(ctx)
	}
	if errors.Is(err, quicgo.Err0RTTRejected) {
		isEarly = false
		if _, err = c.quic.NextConnection(ctx); err == nil {
			s, err = c.awaitStream(ctx)
		}
	}
	if err == nil {
		err = c.announce(s)
	}
	if errors.Is(err, quicgo.Err0RTTRejected) {
		err = nil // and the announcement is sent again with what follows
	}
	return s, isEarly, err
}

func isLimit(err error) bool {
	var limit *quicgo.StreamLimitReachedError
	return errors.As(err, &limit)
}

// errNoStream is for a peer that takes a connection and none of its streams.
var errNoStream = errors.New("no stream")

// awaitStream opens a stream, for which it waits no longer than for a handshake.
func (c *connection) awaitStream(ctx context.Context) (*quicgo.Stream, error) {
	timed, end := context.WithTimeoutCause(ctx, c.prepared.handshake, errNoStream)
	defer end()
	s, err := c.quic.OpenStreamSync(timed)
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		err = context.Cause(timed)
	}
	return s, err
}

// begin begins to dial from a transport, whose place it has. The caller holds mu.
func (p *prepared) begin(r route, t *transport) *dial {
	ctx, cancel := context.WithCancel(context.Background())
	d := &dial{cancel: cancel, done: make(chan struct{})}
	p.dials[r] = d
	go func() {
		defer close(d.done)
		defer cancel()
		c, err := t.dial(ctx, r.to, p)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.dials[r] == d {
			delete(p.dials, r)
		}
		if d.err = err; err != nil {
			t.leave()
			return
		}
		n := newConnection(c, t, p, sourceOf(t, r.to), r.to, func(c *connection) { p.forget(r, c) })
		stop := t.carrier.await(r.to, func(err error) {
			if err == syscall.ECONNREFUSED { // which may be a lie: what goes over it already goes on
				go n.forget()
			}
		})
		context.AfterFunc(c.Context(), stop)
		d.conn = n
		if !d.left { // ahead of all others, who may leave none
			d.own.isEarly = shaking(c)
			d.own.stream, d.own.err = c.OpenStream()
		}
		if c.Context().Err() == nil {
			p.open[r] = append(p.open[r], d.conn)
		}
		if d.left {
			d.conn.leave() // whoever waits enters
		}
	}()
	return d
}

// await waits for a dial, which its caller may have begun. The last to leave ends it.
func (p *prepared) await(ctx context.Context, r route, d *dial, begun bool) error {
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.waiting--; d.waiting == 0 {
		d.cancel()
		if p.dials[r] == d {
			delete(p.dials, r)
		}
	}
	if begun {
		d.left = true
		if d.conn != nil {
			if d.own.stream != nil {
				abort(d.own.stream, codeReset)
			}
			d.conn.leave()
		}
	}
	return context.Cause(ctx)
}

var errUnprepared = errors.New("it has no keys: open it by an address, such as quic:HOST:PORT")
