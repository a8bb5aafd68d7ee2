package relay

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo"
	"zocalo/internal/accept"
	"zocalo/internal/sys"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/relay/streams"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

// noFast is empty: this system has the fast path.
const noFast = ""

// streamsBear is what the engine streams can do, of what not every engine can.
const streamsBear = living

// fastEngines are those besides join, the likeliest first.
var fastEngines = []engineKind{
	{name: "streams", bears: streamsBear, start: newFast, joins: func(from, to socket.Kind) bool { return isKernelStream(from) && isKernelStream(to) }},
	{name: "datagrams", start: newBatching, joins: isBatch},
}

// fast is the engine streams: a streams.Service, which decides for each connection
// as run.pair does on the engine join.
//
// The loops themselves connect to what names of the first TO are for them
// (plain). Everything else, and every second attempt, is run.dial's in a
// goroutine, which hands the connection over.
type fast struct {
	*run
	group    streams.Group
	plain    atomic.Pointer[plain] // nil where reaching takes a goroutine
	dials    sync.WaitGroup
	perPeer  *accept.PerPeer
	shortage accept.Shortage
	tell     streams.Teller[func()] // what may wait for whoever reads it, and a loop must not
}

// A fastPair is what the account knows of a connection besides the loop's own
// figures. It is small, since an idle connection has it.
type fastPair struct {
	number int64
	began  int64          // Unix nanoseconds
	inet   netip.AddrPort // who came, over the Internet,
	other  *string        // or else, for people
	peer   *accept.Peer   // nil where a single peer is not bounded
	dialed *dialed        // nil where the loop itself connects,
	name   *candidate     // to this
}

// dialed is what a goroutine has reached, or is to reach.
type dialed struct {
	cancel context.CancelFunc
	target string
	err    error // why nothing was reached
}

func newFast(r *run, _ server.Listener) engine {
	f := &fast{run: r}
	f.group = streams.Group{Service: f, Limits: f.limits(), Files: r.files()}
	if r.Passed != nil {
		f.group.OnPassed = func(c *streams.Conn, from Side, bytes int) { r.Passed(c.Data.(*fastPair).number, from, bytes, 0) }
	}
	if r.Reached != nil {
		f.group.OnJoined = func(c *streams.Conn) {
			p := c.Data.(*fastPair)
			to := p.name
			r.Reached(p.number, Attempt{To: to.plain.Address, Target: to.text, Took: c.Result().Duration})
		}
	}
	f.plain.Store(newPlain(r.now()))
	f.perPeer = accept.NewPerPeer(r.now().MaxConnsPerPeer, int(f.group.MaxConns), r.sockets...)
	return f
}

func (f *fast) limits() streams.Limits {
	now := f.now()
	return streams.Limits{MaxConns: int64(f.maxConns()), Idle: now.Idle, Lifetime: now.Lifetime, Rate: now.Rate, TotalRate: now.TotalRate}
}

func (f *fast) change() {
	f.plain.Store(newPlain(f.now()))
	f.group.SetLimits(f.limits())
}

func (f *fast) serve(ctx context.Context, l server.Listener) error {
	lists, more, err := f.listeners(ctx)
	if err != nil {
		return err
	}
	stopped := sync.OnceFunc(func() {
		l.Close()
		for _, l := range more {
			l.Close()
		}
	})
	defer stopped()
	f.group.Stopped = func() {
		stopped()
		f.end() // where a listener failed
	}
	if err := f.group.Listen(lists...); err != nil {
		return err
	}
	f.tell.Start(call)
	err = f.group.Serve(ctx, f.life)
	f.dials.Wait()
	f.tell.Stop()
	if err != nil {
		return fmt.Errorf("listener %v failed, and the relay ended: %w", l.Name(), err)
	}
	return nil
}

// listeners gives each loop what it accepts from. Where the address says that
// several sockets may have the name, each loop has its own; else they share
// one, since SO_REUSEPORT would let other programs of this user take connections
// unnoticed.
func (f *fast) listeners(ctx context.Context) (all [][]streams.Listening, more []*zocalo.Listener, err error) {
	all = make([][]streams.Listening, streams.Loops(f.Loops))
	all[0] = streams.Listenings(f.sockets)
	if shared, _ := option.ReusePort.In(f.from.Settings); !shared || f.Listener != nil || f.from.Scheme.Domains[0] == socket.Unix {
		return all, nil, nil
	}
	for i := range all[1:] {
		for _, s := range f.sockets {
			a := join.Inline(f.from.Address)
			a.Endpoint = s.Name().String()
			l, err := zocalo.ListenAddress(ctx, a)
			if err != nil {
				for _, l := range more {
					l.Close()
				}
				return nil, nil, err
			}
			more = append(more, l)
			all[1+i] = append(all[1+i], streams.Listenings(l.Sockets())...)
		}
	}
	return all, more, nil
}

// Accepted implements streams.Service.
func (f *fast) Accepted(c *streams.Conn, listener int, a *sys.Sockaddr) {
	p := &fastPair{began: time.Now().UnixNano()}
	name, who := streams.Name(a), streams.Credentials(c.FD(), a)
	why := server.Lists{Allow: f.Allow, Deny: f.Deny}.RefusesName(name, who)
	var caller *Peer
	if f.Admit != nil || f.Began != nil || f.Route != nil || f.Reach != nil || slices.ContainsFunc(f.now().to, end.hasLayers) {
		caller = &Peer{Name: name, Local: streams.Local(c.FD()), Text: accept.NameText(name, who), Credentials: who}
	}
	if why == "" && f.Admit != nil {
		if err := f.Admit(caller); err != nil {
			why = err.Error()
		}
	}
	if why == "" {
		var ok bool
		if p.peer, ok = f.perPeer.EnterName(name.AddrPort().Addr(), who); !ok {
			why = accept.TooMany
		}
	}
	if why != "" {
		c.End(outcome.Cancelled, outcome.A, "", 0)
		f.tell.Add(func() {
			f.log.Info("peer rejected", "listener", f.sockets[listener].Name(), "peer", name, "reason", why)
		})
		return
	}
	if p.inet = name.AddrPort(); !p.inet.IsValid() {
		text := accept.NameText(name, who)
		p.other = &text
	}
	p.number = f.account.number()
	c.Data = p
	if caller != nil {
		caller.Pair = p.number
		if f.Began != nil {
			f.Began(caller)
		}
	}
	plain := f.plain.Load()
	if plain == nil {
		f.dial(c, p, caller)
		return
	}
	plain.names.get(f.life, f.dials.Go, c.Loop().Post, func(names []*candidate) {
		if c.FD() >= 0 { // it has not ended while they were looked up
			if len(names) > 0 {
				p.name = names[0]
			}
			f.connect(c, p)
		}
	})
}

// connect has the loop connect to the first of the names that are left.
func (f *fast) connect(c *streams.Conn, p *fastPair) {
	if to := p.name; to != nil {
		if fd, err := to.plain.socket(to.kind); err == nil {
			c.Connect(fd, to.stream, &to.sockaddr, to.patience())
			return
		}
	}
	f.dial(c, p, nil)
}

// patience is how long a name may take to answer. Where there are others it is
// short: dial then races them.
func (c *candidate) patience() time.Duration {
	if t := c.plain.timeout; c.next == nil || t > 0 && t < zocalo.DefaultAttemptDelay {
		return t
	}
	return zocalo.DefaultAttemptDelay
}

// ConnectFailed implements streams.Service.
func (f *fast) ConnectFailed(c *streams.Conn, call string, errno syscall.Errno) {
	p := c.Data.(*fastPair)
	more := p.name.next != nil
	switch {
	case errno == syscall.ETIMEDOUT && !more && len(f.now().to) == 1 && f.now().Retry == 0:
		p.dialed = &dialed{err: p.name.timedOut()}
		f.reached(&Peer{Pair: p.number}, p.name.plain.Address, "", time.Unix(0, p.began), p.dialed.err)
		c.End(outcome.Failed, outcome.B, call, errno)
		return
	case errno != syscall.ETIMEDOUT && more:
		p.name = p.name.next
		f.connect(c, p)
		return
	}
	// Again, with all that there is to try, and for an error that says more.
	f.dial(c, p, nil)
}

// dial reaches TO in a goroutine, for a caller that is nil where no hook asks who.
func (f *fast) dial(c *streams.Conn, p *fastPair, caller *Peer) {
	ctx, cancel := context.WithCancel(f.life)
	d := &dialed{cancel: cancel}
	p.dialed = d
	if caller == nil {
		caller = &Peer{Pair: p.number}
	}
	f.dials.Go(func() {
		defer cancel()
		s, t, err := f.run.dial(ctx, caller, nil)
		fd, kind := -1, streams.Plain
		if err == nil && !isKernelStream(s.Kind()) {
			s.Abort()
			err = &NotFastError{fmt.Sprintf("joins kernel streams, but what was reached is %v", s.Kind())}
		}
		if err == nil {
			kind = streams.Kind(s.Kind())
			fd, err = s.Detach()
		}
		if c.Loop().Post(func() {
			if d.cancel, d.target, d.err = nil, t.text, err; err != nil {
				c.End(outcome.Failed, outcome.B, "connect", 0)
				return
			}
			c.Join(fd, kind)
		}) {
			return
		}
		if err == nil { // the loop is over, and the connection with it
			streams.Reset(fd)
		}
	})
}

// Ended implements streams.Service.
func (f *fast) Ended(c *streams.Conn, e streams.Ending) {
	p, ok := c.Data.(*fastPair)
	if !ok {
		if e.How == outcome.Failed { // else it was turned away
			f.account.ended(e.How)
		}
		return
	}
	f.perPeer.Leave(p.peer)
	result := e.Result
	var err error // but for that of a system call
	if d := p.dialed; d != nil {
		if d.cancel != nil {
			d.cancel()
		}
		if err = d.err; err != nil && f.life.Err() != nil {
			result.How = outcome.Cancelled
		}
	}
	switch {
	case result.How == outcome.Cancelled:
		err = ErrStopped
	case err != nil:
	case !c.Reached() && result.How == outcome.Reset:
		result.How, err = outcome.Failed, errGone
	case e.Errno == streams.ErrFiles:
		err = errFiles
	}
	f.account.ended(result.How)
	if !f.tells(result.How) {
		return
	}
	pair := f.pair(c, p)
	pair.Open, pair.Result, pair.Err = false, result, err
	if err == nil && (result.How == outcome.Reset || result.How == outcome.Failed) {
		pair.Err = &outcome.EndError{Side: result.Side, Err: f.opError(pair, e)}
	}
	f.tell.Add(func() { f.Hooks.Ended(pair) })
}

// opError is the error of a system call much as package socket would have it.
func (r *run) opError(p Pair, e streams.Ending) error {
	network, text := r.from.Scheme.Name, p.Peer
	if e.Side == outcome.B {
		network, text, _ = strings.Cut(p.Target, ":")
	}
	return e.OpError(network, text)
}

// Paused implements streams.Service.
func (f *fast) Paused(listener int, errno syscall.Errno) {
	f.tell.Add(func() {
		f.shortage.Tell(f.log, f.sockets[listener].Name(), os.NewSyscallError("accept", errno))
	})
}

// pair is a connection as it stands.
func (f *fast) pair(c *streams.Conn, p *fastPair) Pair {
	pair := Pair{Number: p.number, Began: time.Unix(0, p.began), Open: true}
	if p.other != nil {
		pair.Peer = *p.other
	} else {
		pair.Peer = socket.InetName(p.inet).String()
	}
	switch {
	case !c.Reached():
	case p.dialed != nil:
		pair.Target = p.dialed.target
	default:
		pair.Target = p.name.text
	}
	pair.Result = c.Result()
	return pair
}

// pairs returns those that are open.
func (f *fast) pairs() (pairs []Pair) {
	var mu sync.Mutex
	f.tell.Boundless(func() {
		f.group.Each(func(c *streams.Conn) {
			if p, ok := c.Data.(*fastPair); ok {
				pair := f.pair(c, p)
				mu.Lock()
				defer mu.Unlock()
				pairs = append(pairs, pair)
			}
		})
	})
	return pairs
}

func (f *fast) count(t *Totals) {
	t.Open += f.group.Open()
	for side, bytes := range f.group.Passed() {
		t.add(Side(side), bytes, 0)
	}
}
