package upstream

import (
	"time"

	"zocalo/relay"
)

// A Status is how a pool is: for metrics, the admin socket and people.
type Status struct {
	Policy  Policy         `json:"policy"`
	Up      int            `json:"up"` // servers that are
	Servers []ServerStatus `json:"servers"`

	// Unresolved are members whose last look-up failed, with why.
	Unresolved map[string]string `json:"unresolved,omitempty"`

	LostEvents int64 `json:"lostEvents,omitempty"`
}

// A ServerStatus is how a server is. Secrets of its address are not shown.
type ServerStatus struct {
	Member  string `json:"member"`  // as the configuration has it
	Address string `json:"address"` // the same, or with one of the addresses of its name
	Weight  int    `json:"weight"`
	Backup  bool   `json:"backup,omitempty"`

	// Other is that it is of the family, IPv4 or IPv6, that is used only while none of its
	// name's preferred one is up.
	Other bool `json:"otherFamily,omitempty"`

	Health Health    `json:"health"`
	Why    string    `json:"why,omitempty"` // it is not up
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // it is ejected
	Share  float64   `json:"share"`          // of its weight that it has: below 1 while it starts slowly

	Open   int64 `json:"open"`   // pairs
	Total  int64 `json:"total"`  // of which it was reached
	Failed int64 `json:"failed"` // attempts to reach it that failed, and connections that it cut at once

	// Sent and Received are the bytes of pairs that are over: to the server, and from it.
	Sent     int64 `json:"sentBytes"`
	Received int64 `json:"receivedBytes"`

	// The last check: when, how long it took, and why it failed.
	LastCheck      time.Time     `json:"lastCheck,omitzero"`
	LastCheckTook  time.Duration `json:"lastCheckTook,omitempty"` // in nanoseconds
	LastCheckError string        `json:"lastCheckError,omitempty"`
}

// Status returns how everything is now, members in the order of the configuration.
func (p *Pool) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := Status{Policy: p.config.Policy, LostEvents: p.LostEvents()}
	v, now := p.view.Load(), p.clock()
	for _, m := range p.members {
		if m.lookupErr != "" {
			if all.Unresolved == nil {
				all.Unresolved = map[string]string{}
			}
			all.Unresolved[m.text] = m.lookupErr
		}
		for _, s := range m.servers {
			one := ServerStatus{
				Member: s.member, Address: s.text, Weight: s.weight, Backup: s.backup, Other: s.second, Since: s.since,
				Open: max(s.open.Load(), 0), Total: s.total.Load(), Failed: s.failed.Load(),
				Sent: s.bytes[relay.A].Load(), Received: s.bytes[relay.B].Load(),
				LastCheck: s.lastCheck, LastCheckTook: s.lastCheckTook, LastCheckError: s.lastCheckErr,
			}
			if one.Health, one.Why = s.health(); one.Health == Up {
				one.Share = float64(v.share(s, now)) / fullShare
				all.Up++
			}
			if one.Health == Ejected {
				one.Until = s.until
			}
			all.Servers = append(all.Servers, one)
		}
	}
	return all
}
