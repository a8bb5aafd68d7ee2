package quic

import (
	"context"
	"errors"

	quicgo "github.com/quic-go/quic-go"

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
		if err := p.await(ctx, r, d); err != nil {
			return nil, nil, false, err
		}
		if !begun {
			continue
		}
		d.conn.enter()
		s, isEarly, err := d.conn.firstStream(ctx)
		if err != nil {
			d.conn.leave()
			return nil, nil, false, p.handshakeError(err)
		}
		return d.conn, s, isEarly, nil
	}
}

// firstStream opens a stream of a new connection. One that takes none takes none yet; and one
// that was made ahead of its handshake may begin anew by then.
func (c *connection) firstStream(ctx context.Context) (s *quicgo.Stream, isEarly bool, err error) {
	isEarly = shaking(c.quic)
	if s, err = c.quic.OpenStreamSync(ctx); errors.Is(err, quicgo.Err0RTTRejected) {
		isEarly = false
		if _, err = c.quic.NextConnection(ctx); err == nil {
			s, err = c.quic.OpenStreamSync(ctx)
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
		d.conn = newConnection(c, t, p, sourceOf(t, r.to), r.to, func(c *connection) { p.forget(r, c) })
		if c.Context().Err() == nil {
			p.open[r] = append(p.open[r], d.conn)
		}
		d.conn.leave() // who waits enters
	}()
	return d
}

// await waits for a dial. The last to leave ends it.
func (p *prepared) await(ctx context.Context, r route, d *dial) error {
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
	return context.Cause(ctx)
}

var errUnprepared = errors.New("it has no keys: open it by an address, as quic:HOST:PORT")
