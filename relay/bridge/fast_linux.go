package bridge

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"zocalo"
	"zocalo/internal/loop"
	"zocalo/internal/streams"
	"zocalo/internal/sys"
	"zocalo/relay"
	"zocalo/server"
	"zocalo/socket"
)

// noFast is empty: this system has the fast path.
const noFast = ""

// fast is what serves a listener by event loops: a loop.Service, which decides
// for each connection as run.pair does on the general path.
//
// The loops themselves connect to what needs no look-up (plain). Everything
// else, and every second attempt, is run.dial's in a goroutine, which hands the
// connection over.
type fast struct {
	*run
	group    loop.Group
	sockets  []*socket.Socket // that listen
	plain    *plain           // nil where reaching takes a goroutine
	dials    sync.WaitGroup
	shortage server.Shortage
	tell     streams.Teller[func()] // what may wait for who reads it, and a loop must not
}

// A fastPair is what the account knows of a connection besides the loop's own
// figures. It is small, since an idle connection has it.
type fastPair struct {
	number int64
	began  int64          // Unix nanoseconds
	inet   netip.AddrPort // who came, over the Internet,
	other  string         // or else, for people
	dialed *dialed        // nil where the loop itself connects
}

// dialed is what a goroutine has reached, or is to reach.
type dialed struct {
	cancel context.CancelFunc
	target string
	err    error // why nothing was reached
}

// serveFast serves a listener by the fast path until ctx ends and what is open
// then is over.
func (r *run) serveFast(ctx context.Context, l *zocalo.Listener) error {
	f := &fast{run: r, sockets: l.Sockets()}
	var err error
	if f.plain, err = newPlain(ctx, r); err != nil {
		return err
	}
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
	f.group = loop.Group{
		Service: f, MaxConns: int64(r.maxConns()), Idle: r.Idle, Lifetime: r.Lifetime,
		Rate: r.Rate, TotalRate: r.TotalRate, Files: loop.RefuseFiles, Stopped: stopped,
	}
	if r.PassFiles {
		f.group.Files = loop.PassFiles
	}
	if err := f.group.Listen(lists...); err != nil {
		return err
	}
	f.tell.Start(func(told func()) { told() })
	r.account.attach(f)
	err = f.group.Serve(ctx, r.life)
	f.dials.Wait()
	f.tell.Stop()
	r.account.attach(nil)
	if err != nil {
		return fmt.Errorf("listener %v failed, and the relay ended: %w", l.Name(), err)
	}
	return nil
}

// listeners gives each loop what it accepts from. Where the address says that
// several sockets may have the name, each loop has its own; else they share
// one, since SO_REUSEPORT would let other programs of this user take connections
// unnoticed.
func (f *fast) listeners(ctx context.Context) (all [][]loop.Listening, more []*zocalo.Listener, err error) {
	all = make([][]loop.Listening, f.loops())
	all[0] = streams.Listenings(f.sockets, true)
	if shared, _ := socket.ReusePort.In(f.from.Settings); !shared || f.from.Scheme.Domains[0] == socket.Unix {
		return all, nil, nil
	}
	for i := range all[1:] {
		for _, s := range f.sockets {
			a := f.from.Address
			a.Endpoint = s.Name().String()
			l, err := zocalo.ListenAddress(ctx, a)
			if err != nil {
				for _, l := range more {
					l.Close()
				}
				return nil, nil, err
			}
			more = append(more, l)
			all[1+i] = append(all[1+i], streams.Listenings(l.Sockets(), true)...)
		}
	}
	return all, more, nil
}

// Accepted implements loop.Service.
func (f *fast) Accepted(c *loop.Conn, listener int, a *sys.Sockaddr) {
	p := &fastPair{began: time.Now().UnixNano()}
	name, who := streams.Name(a), streams.Credentials(c.FD(), a)
	if why := server.NameTurnedAway(f.Allow, f.Deny, name, who); why != "" {
		c.End(loop.Cancelled, loop.A, "", 0)
		f.tell.Add(func() {
			f.log.Info("a peer was turned away", "listener", f.sockets[listener].Name(), "peer", name, "reason", why)
		})
		return
	}
	if p.inet = name.AddrPort(); !p.inet.IsValid() {
		p.other = server.NameText(name, who)
	}
	p.number = f.account.number()
	c.Data = p
	if f.plain != nil {
		if fd, err := f.plain.socket(); err == nil {
			c.Connect(fd, f.plain.kind, &f.plain.to, f.plain.timeout)
			return
		}
	}
	f.dial(c, p)
}

// ConnectFailed implements loop.Service.
func (f *fast) ConnectFailed(c *loop.Conn, call string, errno syscall.Errno) {
	p := c.Data.(*fastPair)
	if errno == syscall.ETIMEDOUT && len(f.to) == 1 && f.Retry == 0 {
		p.dialed = &dialed{err: f.plain.timedOut()}
		c.End(loop.Broken, loop.B, call, errno)
		return
	}
	// Again, with all that there is to try, and for an error that says more.
	f.dial(c, p)
}

// dial reaches TO in a goroutine.
func (f *fast) dial(c *loop.Conn, p *fastPair) {
	ctx, cancel := context.WithCancel(f.life)
	d := &dialed{cancel: cancel}
	p.dialed = d
	f.dials.Go(func() {
		defer cancel()
		s, t, err := f.run.dial(ctx, nil, f.to)
		fd, kind := -1, loop.Plain
		if err == nil {
			kind = streams.Kind(s.Kind())
			fd, err = s.Detach()
		}
		if c.Loop().Post(func() {
			if d.cancel, d.target, d.err = nil, t.text, err; err != nil {
				c.End(loop.Broken, loop.B, "connect", 0)
				return
			}
			c.Join(fd, kind)
		}) {
			return
		}
		if err == nil { // the loop is over, and the connection with it
			sys.Close(fd)
		}
	})
}

// Ended implements loop.Service.
func (f *fast) Ended(c *loop.Conn, e loop.Ending) {
	p, ok := c.Data.(*fastPair)
	if !ok {
		return // it was turned away
	}
	result := f.result(c)
	result.How, result.Side, result.Duration = hows[e.How], relay.Side(e.Side), e.Duration
	var err error // but for that of a system call
	if d := p.dialed; d != nil {
		if d.cancel != nil {
			d.cancel()
		}
		if err = d.err; err != nil && f.life.Err() != nil {
			e.How = loop.Cancelled
		}
	}
	switch {
	case e.How == loop.Cancelled:
		result.How, err = relay.Cancelled, ErrStopped
	case err != nil:
	case !c.Reached() && e.How == loop.Reset:
		result.How, err = relay.Failed, errGone
	case e.How == loop.FilesCame:
		err = errFiles
	}
	f.account.sum(result)
	if !f.tells(result.How) {
		return
	}
	pair := f.pair(c, p)
	pair.Open, pair.Result, pair.Err = false, result, err
	if err == nil && (result.How == relay.Reset || result.How == relay.Failed) {
		pair.Err = &relay.EndError{Side: result.Side, Err: f.opError(pair, e)}
	}
	if f.OnEnd != nil {
		f.tell.Add(func() { f.OnEnd(pair) })
	}
}

var hows = map[loop.How]relay.How{
	loop.Finished: relay.Finished, loop.Reset: relay.Reset, loop.Idle: relay.Idle, loop.Lifetime: relay.Lifetime,
	loop.Cancelled: relay.Cancelled, loop.Broken: relay.Failed, loop.FilesCame: relay.Failed,
}

// opError is the error of a system call much as package socket would have it.
func (f *fast) opError(p Pair, e loop.Ending) error {
	network, text := f.from.Scheme.Name, p.Peer
	if e.Side == loop.B {
		network, text, _ = strings.Cut(p.Target, ":")
	}
	return &net.OpError{Op: e.Call, Net: network, Addr: nameAddr{network, text}, Err: os.NewSyscallError(e.Call, e.Errno)}
}

// nameAddr is a net.Addr of its texts.
type nameAddr struct{ network, text string }

func (a nameAddr) Network() string { return a.network }
func (a nameAddr) String() string  { return a.text }

// Paused implements loop.Service.
func (f *fast) Paused(listener int, errno syscall.Errno) {
	f.tell.Add(func() {
		f.shortage.Tell(f.log, f.sockets[listener].Name(), os.NewSyscallError("accept", errno))
	})
}

// pair is a connection as it stands.
func (f *fast) pair(c *loop.Conn, p *fastPair) Pair {
	pair := Pair{Number: p.number, Began: time.Unix(0, p.began), Peer: p.other, Open: true}
	if p.inet.IsValid() {
		pair.Peer = socket.InetName(p.inet).String()
	}
	switch {
	case !c.Reached():
	case p.dialed != nil:
		pair.Target = p.dialed.target
	default:
		pair.Target = f.plain.text
	}
	pair.Result = f.result(c)
	return pair
}

// result is what a connection has passed on.
func (f *fast) result(c *loop.Conn) (r relay.Result) {
	r.Duration = c.Age()
	for side := range r.From {
		from := c.From(side)
		r.From[side] = relay.Flow{
			Octets: from.Octets, Urgent: int64(from.Urgent), UrgentInLine: int64(from.UrgentInLine),
			Files: int64(from.Files), FilesRefused: int64(from.FilesRefused), EndOfFile: from.EndOfFile, EndOfFileTold: from.EndOfFileTold,
		}
	}
	return r
}

// pairs returns those that are open.
func (f *fast) pairs() (pairs []Pair) {
	var mu sync.Mutex
	f.group.Each(func(c *loop.Conn) {
		if p, ok := c.Data.(*fastPair); ok {
			pair := f.pair(c, p)
			mu.Lock()
			defer mu.Unlock()
			pairs = append(pairs, pair)
		}
	})
	return pairs
}

func (f *fast) count() int { return f.group.Open() }
