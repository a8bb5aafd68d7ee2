package bridge

import (
	"context"
	"errors"
	"syscall"
	"time"

	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"
)

// How long a pair goes on in silence once one end has finished and the other
// cannot be told: that is so for datagrams, which know no end, and for
// connections that cannot be closed one way only, as those of iso and spp.
const datagramIdle = 2 * time.Second

var untoldIdle = 5 * time.Second // a variable for tests

// errSessionOver is why a pair ends of which one is a session that is over.
var errSessionOver = errors.New("the session of datagrams is over")

// errFiles is why a message was refused, or a stream reset, with which
// descriptors came.
var errFiles = errors.New("descriptors came, which do not pass: between two unix sockets they do where that is asked for (--pass-fds)")

// pair reaches the other end for one of FROM and joins them. Both are closed
// when it returns.
func (r *run) pair(ctx context.Context, from *socket.Socket, to reacher) error {
	e := r.account.begin(server.PeerText(from))
	other, t, err := to.reach(ctx, from)
	if err != nil {
		from.Abort()
		return r.ended(e, relay.Result{How: relay.Failed, Side: relay.B, Duration: time.Since(e.Began)}, err)
	}
	r.account.reached(e, t.text)

	// At the end of the time to drain both are reset, so that nobody takes a
	// stream cut short for one that is complete.
	defer onEnd(r.life, func() {
		from.Abort()
		other.Abort()
	})()
	joining, end := context.WithCancelCause(context.WithoutCancel(r.life))
	defer end(nil)
	o := r.options(e)
	o.OnEOF = func(side relay.Side) {
		if isSession([]*socket.Socket{from, other}[side]) {
			end(errSessionOver)
		}
	}
	switch {
	case isSession(from) || isSession(other):
		o.IdleAfterEOF = datagramIdle
	case r.from.passive || other.Domain() != socket.Unspecified:
		o.IdleAfterEOF = untoldIdle
	}
	result, err := relay.Join(joining, relay.End{Socket: from, Format: r.from.format}, relay.End{Socket: other, Format: t.format}, o)
	var needs *relay.NeedsFormatError
	var failed *relay.EndError
	switch {
	case errors.Is(err, errSessionOver):
		result.How, err = relay.Idle, nil
	case err != nil && r.life.Err() != nil:
		result.How, err = relay.Cancelled, ErrStopped
	case errors.Is(err, socket.ErrDescriptorsRefused):
		err = errFiles
	case errors.As(err, &failed) && errors.Is(failed.Err, syscall.EBADF):
		failed.Err = &socket.Advised{Err: failed.Err, Advice: "it is open to be read only, and something came for it"}
	case errors.As(err, &needs):
		octets, messages := r.from.Address, t.Address
		if needs.Side == relay.B {
			octets, messages = messages, octets
		}
		err = &PairError{r.from.Address, t.Address, needsFormat(octets, messages)}
	}
	return r.ended(e, result, err)
}

// isSession reports whether a socket has datagrams, which know no end: where
// one reads as ended, it is that of a session that is over.
func isSession(s *socket.Socket) bool {
	p := s.Properties()
	return p.Bounded && !p.Connected
}

func (r *run) options(e *entry) relay.Options {
	o := relay.Options{
		MaxMessage: r.MaxMessage, Idle: r.Idle, Lifetime: r.Lifetime,
		Files: relay.RefuseFiles, Pace: r.pace(), Progress: &e.progress,
	}
	if r.PassFiles {
		o.Files = relay.PassFiles
	}
	if see := r.OnData; see != nil {
		number := e.Number
		o.OnData = func(from relay.Side, what relay.What, data []byte) { see(number, from, what, data) }
	}
	o.OnRefused = func(from relay.Side, err error) {
		if errors.Is(err, socket.ErrDescriptorsRefused) {
			err = errFiles
		}
		r.log.Warn("a message was refused", "pair", e.Number, "from", [2]string{e.Peer, e.Target}[from], "error", err)
	}
	return o
}

// ended closes the entry of a pair, tells of it, and returns why it did not end
// in order.
func (r *run) ended(e *entry, result relay.Result, err error) error {
	p := r.account.end(e, result, err)
	if r.tells(result.How) {
		r.OnEnd(p)
	}
	return err
}

// tells reports whether OnEnd is to hear of a pair that ended so.
func (b *Bridge) tells(how relay.How) bool {
	return b.OnEnd != nil && (how == relay.Failed || !b.OnlyFailures)
}
