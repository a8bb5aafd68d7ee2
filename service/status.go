package service

import (
	"maps"
	"slices"
	"time"

	"zocalo/relay"
	"zocalo/service/accesslog"
	"zocalo/service/upstream"
)

// A Status is how all services are: for metrics, an admin socket and people.
type Status struct {
	Began    time.Time       `json:"began"`
	Services []ServiceStatus `json:"services"` // as the config has them, and then those that were removed and still have pairs

	Reloads     int64         `json:"reloads"`              // that were done
	Refused     int64         `json:"reloadsRefused"`       // and that were not
	Reloaded    time.Time     `json:"reloaded,omitzero"`    // when one was done last
	ReloadTook  time.Duration `json:"reloadTook,omitempty"` // in nanoseconds
	ReloadError string        `json:"reloadError,omitempty"`

	Metrics         string `json:"metrics,omitempty"`         // where they are served, to dial
	LostAccessLines int64  `json:"lostAccessLines,omitempty"` // of access logs
}

// A ServiceStatus is how one service is.
type ServiceStatus struct {
	Name  string    `json:"name"`
	Verb  string    `json:"verb"`
	State State     `json:"state"`
	Why   string    `json:"why,omitempty"` // it is failed
	Since time.Time `json:"since"`         // the state began
	Began time.Time `json:"began"`         // the service did, and so its totals

	Listeners []ListenerStatus `json:"listeners,omitempty"`
	To        []string         `json:"to,omitempty"`
	Command   []string         `json:"command,omitempty"`

	// Engine moves what passes through a relay, and EngineWhy is why no faster one does.
	Engine    string `json:"engine,omitempty"`
	EngineWhy string `json:"engineWhy,omitempty"`

	// Runs is of how many runs there are pairs, or may be: each time that the service
	// was replaced the one before goes on until its pairs have ended.
	Runs int `json:"runs"`

	Totals Totals `json:"totals"`

	// Upstreams are where a relay that balances goes, nil for one that does not.
	Upstreams *upstream.Status `json:"upstreams,omitempty"`
}

// A ListenerStatus is a socket that listens.
type ListenerStatus struct {
	Address string `json:"address"` // to dial, for a client on this machine
	Kind    string `json:"kind"`
	Name    string `json:"name"`
}

// Totals are what a service has done since it began. What has passed counts both what is open
// and what is over.
type Totals struct {
	Open             int   `json:"open"`
	Ended            int64 `json:"ended"`
	Reset            int64 `json:"reset"`  // of those ended
	Failed           int64 `json:"failed"` // of those ended
	Refused          int64 `json:"refusedMessages"`
	Dropped          int64 `json:"droppedDatagrams"`
	Sent             int64 `json:"sentBytes"` // by peers
	Received         int64 `json:"receivedBytes"`
	SentMessages     int64 `json:"sentMessages"`
	ReceivedMessages int64 `json:"receivedMessages"`
}

func newTotals(t relay.Totals) Totals {
	a, b := t.From[relay.A], t.From[relay.B]
	return Totals{t.Open, t.Ended, t.Reset, t.Failed, t.Refused, t.Dropped, a.Bytes, b.Bytes, a.Messages, b.Messages}
}

// A published is what Status and Pairs go by, so that they do not wait for a reload in
// progress, which may have names to look up.
type published struct {
	head  Status // without services
	units []*unit
	logs  []*accesslog.Log
}

// publish shows what has changed. The caller holds mu.
func (s *Set) publish() {
	p := &published{units: slices.Concat(s.units, s.leaving), logs: slices.Collect(maps.Values(s.logs))}
	p.head = Status{
		Began: s.began, Reloads: s.reloads, Refused: s.refused, Reloaded: s.last, ReloadTook: s.lastTook, ReloadError: s.lastErr,
		LostAccessLines: s.lostLines,
	}
	if s.server != nil {
		p.head.Metrics = s.server.listener.Address()
	}
	s.shown.Store(p)
}

// latest is what was published last; while Run begins, it waits for that.
func (s *Set) latest() *published {
	if p := s.shown.Load(); p != nil {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.shown.Load(); p != nil {
		return p
	}
	return new(published) // it does not run
}

// Status returns how everything is now. It waits for nothing once all has begun.
func (s *Set) Status() Status {
	p := s.latest()
	all := p.head
	for _, l := range p.logs {
		all.LostAccessLines += l.Lost()
	}
	for _, u := range p.units {
		all.Services = append(all.Services, u.status())
	}
	return all
}

func (u *unit) status() ServiceStatus {
	u.mu.Lock()
	g := u.runs[len(u.runs)-1]
	s := ServiceStatus{Name: u.name, Verb: g.spec.verb(), State: g.state, Why: g.why, Since: g.since, Began: u.began, Command: g.spec.Command, Runs: len(u.runs)}
	for _, l := range g.listeners {
		for i, socket := range l.Sockets() {
			at := ListenerStatus{Address: socket.Kind().String() + ":" + socket.Name().String(), Kind: socket.Kind().String(), Name: socket.Name().String()}
			if i == 0 {
				at.Address = l.Address()
			}
			s.Listeners = append(s.Listeners, at)
		}
	}
	if g.told.relay != nil {
		for _, a := range g.told.relay.To {
			s.To = append(s.To, a.String())
		}
	}
	sum, jobs := u.base, u.jobs()
	r, isRelay := g.job.(*relayJob)
	u.mu.Unlock()
	if isRelay {
		s.Engine, s.EngineWhy = r.Engine()
	}
	for _, j := range jobs {
		add(&sum, j.totals())
	}
	s.Totals = newTotals(sum)
	s.Upstreams = u.upstreams()
	return s
}

// jobs are those that run. The caller holds mu.
func (u *unit) jobs() (all []job) {
	for _, g := range u.runs {
		if g.job != nil {
			all = append(all, g.job)
		}
	}
	return all
}

// Pairs returns those of a service that are open, the oldest run's first; ok is false
// where there is no such service.
func (s *Set) Pairs(service string) (pairs []relay.Pair, ok bool) {
	for _, u := range s.latest().units {
		if u.name != service {
			continue
		}
		ok = true
		u.mu.Lock()
		jobs := u.jobs()
		u.mu.Unlock()
		for _, j := range jobs {
			pairs = append(pairs, j.pairs()...)
		}
	}
	return pairs, ok
}
