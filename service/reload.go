package service

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"zocalo/address"
	"zocalo/internal/say"
	"zocalo/service/accesslog"
	"zocalo/service/verb"
)

// inPlace are the options of a relay that can change while it runs.
var inPlace = []string{"max-conns", "max-sessions", "session-idle", "connect-timeout", "retry", "idle", "lifetime", "rate", "total-rate", "drain", accessLogKey}

// A Change says what a reload did, by the names of services.
type Change struct {
	Added, Removed []string
	Changed        []string // the next pairs get what is new
	Replaced       []string // a successor has taken the sockets over
	Kept           []string // did not change, and were not touched
	Took           time.Duration
}

// String says it in one line.
func (c *Change) String() string {
	text := fmt.Sprintf("%d kept", len(c.Kept))
	for _, what := range []struct {
		names []string
		text  string
	}{{c.Changed, "changed"}, {c.Replaced, "replaced"}, {c.Added, "added"}, {c.Removed, "removed"}} {
		if len(what.names) > 0 {
			text += fmt.Sprintf(", %s %v", what.text, what.names)
		}
	}
	return text
}

// Reload makes the services those of another config. What is not changed goes on
// untouched, with its pairs. All of it is done, or nothing: then the error says why, and the old
// config holds. It may be called before Run, too.
func (s *Set) Reload(c *Config) (*Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.publish()
	began := time.Now()
	change, err := s.reload(c)
	if err != nil {
		s.refused++
		s.lastErr = say.Error(err)
		return nil, err
	}
	change.Took = time.Since(began)
	s.reloads++
	s.last, s.lastTook, s.lastErr = time.Now(), change.Took, ""
	return change, nil
}

// Refused notes that a reload was refused before it came to the Set, as for a file
// that is wrong: Status tells of it.
func (s *Set) Refused(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
	s.lastErr = say.Error(err)
	s.publish()
}

func (s *Set) reload(c *Config) (*Change, error) {
	specs, problems := c.specs()
	if err := problems.sorted(); err != nil {
		return nil, err
	}
	change := new(Change)
	switch {
	case s.over:
		return nil, errors.New("the services are stopping: nothing can be changed now")
	case s.handingOver:
		return nil, ErrHanding
	case s.life == nil:
		s.config, s.specs = c, specs
		return change, nil
	case c.User != s.config.User || c.Group != s.config.Group:
		return nil, errors.New("user and group cannot change while services run: restart them")
	}
	p := &plan{config: c, set: s, stock: newStock(nil), next: make([]*unit, len(specs)), successors: map[*unit]*successor{}, was: map[*generation]was{}}
	if err := p.make(specs, change); err != nil {
		p.undo()
		return nil, err
	}
	p.commit(specs, change)
	s.config, s.specs = c, specs
	return change, nil
}

// A plan is a reload under way.
type plan struct {
	set        *Set
	config     *Config
	stock      *stock
	next       []*unit // in the order of the config
	successors map[*unit]*successor
	was        map[*generation]was // those that were changed in place
	logs       map[string]*accesslog.Log
	server     *exporter // that takes the place of another
}

// was is what a generation was told before.
type was struct {
	spec *spec
	told *told
}

// make opens all that is new, and then changes what can be changed.
func (p *plan) make(specs []*spec, change *Change) error {
	old := map[string]*unit{}
	for _, u := range p.set.units {
		old[u.name] = u
	}
	var replaced, changed []int
	for i, spec := range specs {
		u := old[spec.Name]
		delete(old, spec.Name)
		switch {
		case u == nil:
			p.next[i] = p.set.newUnit(spec.Name)
			change.Added = append(change.Added, spec.Name)
			replaced = append(replaced, i)
			continue
		case same(u.current().spec.Service, spec.Service):
			change.Kept = append(change.Kept, spec.Name)
		case similar(u.current().spec.Service, spec.Service):
			changed = append(changed, i)
		default:
			change.Replaced = append(change.Replaced, spec.Name)
			replaced = append(replaced, i)
			p.give(u)
		}
		p.next[i] = u
	}
	for _, u := range p.set.units {
		if old[u.name] == u {
			change.Removed = append(change.Removed, u.name)
			p.give(u)
		}
	}
	var err error
	if p.logs, err = p.set.openLogs(specs); err != nil {
		return err
	}
	if text := p.config.Metrics; text != "" && (p.set.server == nil || p.set.server.text != text) {
		if p.server, err = p.set.openMetrics(p.set.life, text); err != nil {
			return err
		}
	}
	for _, i := range replaced {
		if err := p.open(p.next[i], specs[i]); err != nil {
			return err
		}
	}
	for _, i := range changed {
		u := p.next[i]
		err := p.change(u, specs[i])
		if errors.Is(err, errReplaced) {
			p.give(u)
			change.Replaced = append(change.Replaced, u.name)
			err = p.open(u, specs[i])
		} else {
			change.Changed = append(change.Changed, u.name)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", u.name, err)
		}
	}
	return nil
}

// give offers what a unit listens on to others.
func (p *plan) give(u *unit) {
	g := u.current()
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, a := range g.told.listens() {
		if i < len(g.listeners) {
			p.stock.add(u.name, a, g.listeners[i])
		}
	}
}

// open makes a successor, or notes that it must wait for what it succeeds.
func (p *plan) open(u *unit, spec *spec) error {
	n, err := p.set.open(p.set.life, spec, p.stock)
	if errors.Is(err, errLate) || err == nil && len(u.generations()) > 0 && n.told.isExclusive() {
		if n == nil {
			n = &successor{spec: spec}
			if n.told, err = spec.take(); err != nil {
				return fmt.Errorf("service %s: %w", spec.Name, err)
			}
		}
		n.close()
		n.listeners, n.late = nil, true
		err = nil
	}
	if err != nil {
		return fmt.Errorf("service %s: %w", spec.Name, err)
	}
	p.successors[u] = n
	return nil
}

// isExclusive reports whether two of the kind cannot run at once: what a relay opens by
// itself may be there once only.
func (t *told) isExclusive() bool {
	return t.relay != nil && (!t.relay.From.Passive(false) || slices.ContainsFunc(t.relay.To, func(a address.Address) bool { return a.Passive(false) }))
}

// change tells a generation that runs what is new.
func (p *plan) change(u *unit, spec *spec) error {
	t, err := spec.take()
	if err != nil {
		return err
	}
	g := u.current()
	u.mu.Lock()
	j, before := g.job, was{g.spec, g.told}
	u.mu.Unlock()
	if j == nil { // it waits to be tried again
		return errReplaced
	}
	if err := j.change(t); err != nil {
		return err
	}
	p.was[g] = before
	g.tell(spec, t)
	return nil
}

func (g *generation) tell(spec *spec, t *told) {
	g.unit.mu.Lock()
	defer g.unit.mu.Unlock()
	g.spec, g.told = spec, t
}

// undo makes all as it was.
func (p *plan) undo() {
	closeLogs(p.logs)
	p.server.end()
	for _, n := range p.successors {
		n.close()
	}
	for g, before := range p.was {
		g.unit.mu.Lock()
		j := g.job
		g.unit.mu.Unlock()
		if j != nil {
			if err := j.change(before.told); err != nil {
				complain(g.unit.log, "a change could not be rolled back", err)
			}
		}
		g.tell(before.spec, before.told)
	}
}

// commit begins what is new, and ends what is over.
func (p *plan) commit(specs []*spec, change *Change) {
	s := p.set
	p.stock.commit()
	maps.Copy(s.logs, p.logs)
	for i, u := range p.next {
		s.observe(u, specs[i])
	}
	if p.config.Metrics == "" || p.server != nil {
		s.server.end()
		s.server = nil
	}
	if p.server != nil {
		s.server = p.server
		s.server.begin(s)
	}
	var retired []*generation
	for i, u := range p.next {
		n := p.successors[u]
		switch {
		case n == nil:
			p.renew(u, specs[i])
		case slices.Contains(s.units, u):
			retired = append(retired, u.replace(n))
		default:
			u.begin(n)
		}
	}
	for _, u := range s.units {
		if !slices.Contains(p.next, u) {
			s.leaving = append(s.leaving, u)
			retired = append(retired, u.current())
			u.end()
		}
	}
	s.units = p.next
	s.forget()
	s.publish()
	for _, g := range retired { // so that whoever comes from now on meets what is new
		g.awaitClosed()
	}
}

// renew notes where in the file an unchanged service stands now.
func (p *plan) renew(u *unit, spec *spec) {
	g := u.current()
	u.mu.Lock()
	defer u.mu.Unlock()
	g.spec = spec
}

// same reports whether two services say the same.
func same(a, b *Service) bool {
	return a.verb() == b.verb() && a.counted == b.counted && slices.Equal(a.From, b.From) && slices.Equal(a.To, b.To) && slices.Equal(a.Command, b.Command) &&
		maps.EqualFunc(a.Options, b.Options, slices.Equal)
}

// similar reports whether a service may become the other while it runs: a relay whose
// limits or targets are others.
func similar(a, b *Service) bool {
	if a.verb() != "relay" || b.verb() != "relay" || !slices.Equal(a.From, b.From) || a.observed() != b.observed() || namesTargets(a) || namesTargets(b) {
		return false
	}
	rest := func(options map[string][]string) map[string][]string {
		options = maps.Clone(options)
		for _, name := range slices.Concat(inPlace, balanceNames) {
			delete(options, name)
		}
		return options
	}
	return maps.EqualFunc(rest(a.Options), rest(b.Options), slices.Equal)
}

// namesTargets reports whether the peers of a service choose by name.
func namesTargets(s *Service) bool {
	return slices.ContainsFunc(s.To, func(t Target) bool {
		name, _ := verb.CutName(t.Address)
		return t.Name != "" || name != ""
	})
}
