package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/address"
	"zocalo/internal/nearest"
	"zocalo/socket"
)

// A Pool is servers to choose among. Any number of goroutines may use one at once.
type Pool struct {
	view atomic.Pointer[view]
	turn atomic.Uint64 // of RoundRobin
	born time.Time
	log  events

	mu      sync.Mutex
	config  Config // filled
	members []*member
	states  map[string]*state // by the text of the server
	none    bool              // it was said that no server is up
	runs    *runner           // while Run does
}

// A member is a [Member] with what its name means.
type member struct {
	Member
	text    string
	servers []*server

	names     []socket.Name // as looked up last; nil for none
	lookupErr string        // why the last look-up failed, "" if it did not
	stop      context.CancelFunc
}

// New makes a pool. It looks up and reaches nothing: that is Run's, which may begin
// later. All that is wrong with the Config is in its error.
func New(c Config) (*Pool, error) {
	p := &Pool{born: time.Now(), states: map[string]*state{}}
	p.log.init()
	filled, err := c.filled()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(filled, false)
	return p, nil
}

// Update changes what the pool does from now on, and nothing where c is wrong. Servers
// that stay keep their state and their counts; pairs that are open go on.
func (p *Pool) Update(c Config) error {
	filled, err := c.filled()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(filled, true)
	return nil
}

// Addresses returns those of the members, as [relay.Config] To wants them.
func (p *Pool) Addresses() (all []address.Address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		all = append(all, m.Address)
	}
	return all
}

// set makes the members of a config that is filled.
func (p *Pool) set(c Config, later bool) {
	old := map[string]*member{}
	for _, m := range p.members {
		old[m.text] = m
	}
	checked := p.config.Check == c.Check
	if p.config.Resolve != c.Resolve || p.config.Resolver != c.Resolver {
		for _, m := range p.members {
			m.end()
		}
	}
	p.config = c
	p.members = nil
	for _, given := range c.Members {
		text := given.Address.String()
		m := old[text]
		if m == nil {
			m = &member{text: text}
		}
		delete(old, text)
		m.Member = given
		p.members = append(p.members, m)
	}
	for _, m := range old {
		m.end()
	}
	if !checked {
		for _, s := range p.states {
			s.endChecks(c.Check.Kind == NoCheck)
		}
	}
	p.build(later)
}

func (m *member) end() {
	if m.stop != nil {
		m.stop()
		m.stop = nil
	}
}

// build makes the servers of all members, begins and ends what watches them, and
// publishes the view. The caller holds mu. Servers that come later begin slowly.
func (p *Pool) build(later bool) {
	c, there := &p.config, map[string]bool{}
	for _, m := range p.members {
		m.servers = nil
		for i, a := range m.addresses() {
			text := a.String()
			if there[text] {
				continue // of two names that mean the same
			}
			there[text] = true
			st := p.states[text]
			if st == nil {
				st = &state{since: time.Now()}
				if later {
					st.rampFrom.Store(p.clock())
				}
				p.states[text] = st
			}
			check := m.check
			if len(m.names) > 0 {
				check.Endpoint = c.Check.endpoint(a.Endpoint)
			}
			st.now = &server{
				member: m.text, address: a, check: check, text: text, hash: hashText(text), weight: m.Weight, backup: m.Backup, state: st,
				second: len(m.names) > 0 && m.names[i].Domain() != m.names[0].Domain(),
			}
			m.servers = append(m.servers, st.now)
		}
	}
	for text, s := range p.states {
		if !there[text] {
			s.gone()
			delete(p.states, text)
		}
	}
	p.watch()
	p.publish()
}

// addresses are those of its servers.
func (m *member) addresses() []address.Address {
	if len(m.names) == 0 {
		return []address.Address{m.Address}
	}
	all := make([]address.Address, len(m.names))
	for i, n := range m.names {
		all[i] = m.Address // a copy, which has what its layers made of the host
		all[i].Endpoint = n.String()
	}
	return all
}

// gone ends what watches a server that is no longer there.
func (s *state) gone() {
	s.now = nil
	s.endChecks(true)
	if s.timer != nil {
		s.timer.Stop()
	}
}

// servers are those of all members, in order. The caller holds mu.
func (p *Pool) servers() (all []*server) {
	for _, m := range p.members {
		all = append(all, m.servers...)
	}
	return all
}

// publish lets picks see what is. The caller holds mu.
func (p *Pool) publish() {
	v := newView(&p.config, p.servers())
	p.view.Store(v)
	if none := len(v.tiers) == 0; none != p.none {
		p.none = none
		if none {
			why, tried := p.whyNone(), len(v.ejected) > 0
			p.log.add(func(l *slog.Logger) { l.Error(ErrNoneUp.Error(), "why", why, "tried_ejected", tried) })
		}
	}
}

// Run checks servers, looks up names and writes the log until ctx ends. It runs once at
// a time. A pool that does not run picks all the same, and learns from pairs.
func (p *Pool) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{ctx: ctx}
	p.mu.Lock()
	if p.runs != nil {
		p.mu.Unlock()
		panic("upstream: the Pool is already running")
	}
	p.runs = r
	logged := p.log.start(p.config.Log)
	p.watch()
	p.mu.Unlock()

	<-ctx.Done()
	p.mu.Lock()
	p.runs = nil
	for _, m := range p.members {
		m.end()
	}
	for _, s := range p.states {
		s.endChecks(false)
	}
	p.mu.Unlock()
	cancel()
	r.work.Wait()
	logged()
}

// A runner is a call of Run.
type runner struct {
	ctx  context.Context
	work sync.WaitGroup
}

// watch begins the checks and look-ups that are to be made and are not. The caller
// holds mu.
func (p *Pool) watch() {
	r := p.runs
	if r == nil {
		return
	}
	for _, m := range p.members {
		if m.stop == nil && hasName(m.Address) {
			var ctx context.Context
			ctx, m.stop = context.WithCancel(r.ctx)
			r.work.Go(func() { p.resolves(ctx, m) })
		}
	}
	if p.config.Check.Kind == NoCheck {
		return
	}
	check, among := p.config.Check, len(p.states)
	for _, s := range p.states {
		if s.stopCheck == nil {
			var ctx context.Context
			ctx, s.stopCheck = context.WithCancel(r.ctx)
			r.work.Go(func() { p.checks(ctx, s, check, among) })
		}
	}
}

// ErrNoneUp is that all servers are down, by checks or by hand.
var ErrNoneUp = errors.New("no upstream is up")

// whyNone says why none is up, or as much as the state of the first says. The caller holds
// mu.
func (p *Pool) whyNone() string {
	servers := p.servers()
	for _, s := range servers {
		if h, why := s.health(); h != Up {
			of := ""
			if len(servers) > 1 {
				of = fmt.Sprintf("all %d are down, ", len(servers))
			}
			return fmt.Sprintf("%s%s is %v (%s)", of, s.text, h, why)
		}
	}
	return "there is none"
}

// An UnknownError is of an address that no server and no member has.
type UnknownError struct {
	Address string
	Err     error // with the nearest of those that there are
}

// Error names the address, and what may have been meant.
func (e *UnknownError) Error() string { return e.Err.Error() }

// Unwrap returns its Err.
func (e *UnknownError) Unwrap() error { return e.Err }

// Eject takes a server out, or all of a member: what is open to it stays, nothing new
// goes there until Restore. The text is that of a server or member in [Status], or its endpoint.
func (p *Pool) Eject(text string) error { return p.byHand(text, true) }

// Restore makes a server usable again that was taken out, or ejected for its
// failures; the next check of it counts at once.
func (p *Pool) Restore(text string) error { return p.byHand(text, false) }

func (p *Pool) byHand(text string, off bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var known []string
	var found []*server
	for _, s := range p.servers() {
		endpoint := s.address.Endpoint
		if s.text == text || s.member == text || endpoint == text {
			found = append(found, s)
		}
		if !slices.Contains(known, s.member) {
			known = append(known, s.member)
		}
		if s.text != s.member {
			known = append(known, s.text)
		}
	}
	if found == nil {
		return &UnknownError{text, nearest.Unknown("upstream", text, known)}
	}
	for _, s := range found {
		p.change(s.state, "restored by hand", func() {
			s.off = off
			if !off {
				s.seen = false
				s.clearFailures()
			}
		})
	}
	return nil
}

// quoted is text of others as it is printed: on one line.
func quoted(text string) string { return strings.Join(strings.Fields(text), " ") }
