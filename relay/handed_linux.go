package relay

import (
	"context"
	"slices"
	"sync"
	"syscall"

	"zocalo/internal/sys"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/socket"
)

// loops are those of the engine streams, for pairs of the engine join whose layers
// have stepped aside: two sockets of the kernel's are left, which need no copying and no
// goroutine.
type loops struct {
	*run
	group streams.Group
	stop  context.CancelFunc
	over  sync.WaitGroup
}

// loopsBear is what loops can do, of what not every engine can.
const loopsBear = streamsBear | layering

// newLoops returns nil where what passes is not to go past the program, or no layer
// steps aside.
func (r *run) newLoops() *loops {
	s := r.now()
	if r.Path != Auto || s.TotalRate > 0 || !s.from.hasLayers() || !becomesBare(s.from) || !slices.ContainsFunc(s.to, becomesBare) {
		return nil
	}
	if s.demands().beyond(loopsBear) != "" {
		return nil
	}
	h := &loops{run: r}
	h.group = streams.Group{Service: h, Limits: h.limits(), Files: r.files()}
	h.group.OnPassed = func(c *streams.Conn, from Side, bytes int) {
		e := c.Data.(*handed).entry
		e.progress.Add(from, bytes, 0)
		if r.Passed != nil {
			r.Passed(e.Number, from, bytes, 0)
		}
	}
	if h.group.Listen(make([][]streams.Listening, streams.Loops(r.Loops))...) != nil {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.over.Go(func() { h.group.Serve(ctx, r.life) })
	return h
}

// moves reports whether the loops move all pairs there are.
func (h *loops) moves() bool {
	return h != nil && !slices.ContainsFunc(h.now().to, func(e end) bool { return !becomesBare(e) || e.demands().beyond(loopsBear) != "" })
}

// becomesBare reports whether the layers of an end step aside and leave a stream of the
// kernel's, as far as its address tells.
func becomesBare(e end) bool {
	k, known := e.kind()
	k.Layers = ""
	return !transforms(e) && (isKernelStream(k) || !known)
}

func (h *loops) limits() streams.Limits {
	now := h.now()
	return streams.Limits{Idle: now.Idle, Lifetime: now.Lifetime, Rate: now.Rate, TotalRate: now.TotalRate}
}

func (h *loops) change() {
	if h != nil {
		h.group.SetLimits(h.limits())
	}
}

// close ends the loops once their pairs have ended.
func (h *loops) close() {
	if h != nil {
		h.stop()
		h.over.Wait()
	}
}

// A handed is a pair that loops move.
type handed struct {
	entry *entry
	over  func() // after its end
}

// take has the loops move a pair of which only the descriptors are left, and call over
// at its end. It returns false, having done nothing, for another, and where t, what was
// reached, asks for what loops cannot do.
func (h *loops) take(e *entry, from, to *socket.Socket, t *target, over func()) bool {
	switch {
	case h == nil || !isBare(from) || !isBare(to) || t.demands().beyond(loopsBear) != "":
		return false
	case h.now().TotalRate > 0 && !h.moves(): // loops keep the total of their own pairs
		return false
	}
	pair := &handed{e, over}
	a, err := from.Detach()
	if err != nil {
		from.Abort()
		to.Abort()
		pair.end(h, Result{How: outcome.Failed, Side: A}, err)
		return true
	}
	b, err := to.Detach()
	if err != nil {
		to.Abort()
		streams.Reset(a)
		pair.end(h, Result{How: outcome.Failed, Side: B}, err)
		return true
	}
	if !h.group.Take(pair, a, streams.Kind(from.Kind()), b, streams.Kind(to.Kind())) {
		streams.Reset(a)
		streams.Reset(b)
		pair.end(h, Result{How: outcome.Cancelled}, ErrStopped)
	}
	return true
}

func (p *handed) end(h *loops, result Result, err error) {
	h.ended(p.entry, result, err)
	p.over()
}

// Ended implements streams.Service. What tells of it may wait, and a loop must not.
func (h *loops) Ended(c *streams.Conn, e streams.Ending) {
	pair := c.Data.(*handed)
	var err error
	switch {
	case e.How == outcome.Cancelled:
		err = ErrStopped
	case e.Errno == streams.ErrFiles:
		err = errFiles
	case e.How == outcome.Reset || e.How == outcome.Failed:
		err = &outcome.EndError{Side: e.Side, Err: h.opError(h.account.pair(pair.entry), e)}
	}
	go pair.end(h, e.Result, err)
}

// isBare reports whether nothing but a descriptor of the kernel's is left of a socket.
func isBare(s *socket.Socket) bool {
	if k := s.Kind(); !isKernelStream(k) || k.Layers != "" {
		return false
	}
	for e := s.Unwrap(); ; {
		if _, ok := e.(socket.Detacher); !ok {
			return false
		}
		switch over := e.(type) {
		case *socket.Socket:
			e = over.Unwrap()
		case socket.Wrapper:
			e = over.Unwrap()
		default:
			return true
		}
	}
}

// The rest of streams.Service is for whoever accepts.

func (h *loops) Accepted(*streams.Conn, int, *sys.Sockaddr)         {}
func (h *loops) ConnectFailed(*streams.Conn, string, syscall.Errno) {}
func (h *loops) Paused(listener int, errno syscall.Errno)           {}
