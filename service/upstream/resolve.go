package upstream

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// carrierOf is the scheme that has the names of an address.
func carrierOf(a address.Address) *scheme.Scheme {
	if a.Scheme.Carrier != nil {
		return a.Scheme.Carrier
	}
	return a.Scheme
}

// hasName reports whether an address has a host that has to be looked up.
func hasName(a address.Address) bool {
	s := carrierOf(a)
	if s.Resolve == nil || !s.Port {
		return false
	}
	host := ""
	if i := strings.LastIndexByte(a.Endpoint, ':'); i > 0 {
		host = strings.TrimSuffix(strings.TrimPrefix(a.Endpoint[:i], "["), "]")
	}
	if host == "" {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

// lookupTime bounds one look-up.
const lookupTime = 10 * time.Second

// soonAgain is the pause after a look-up that failed, if Resolve is not shorter.
const soonAgain = 5 * time.Second

// resolves looks up a member until ctx ends.
func (p *Pool) resolves(ctx context.Context, m *member) {
	for {
		p.mu.Lock()
		a, every, resolver := m.Address, p.config.Resolve, p.config.Resolver
		p.mu.Unlock()
		names, err := lookup(ctx, scheme.Target{Endpoint: a.Endpoint, Settings: a.Settings, Resolver: resolver}, carrierOf(a))
		if ctx.Err() != nil {
			return
		}
		p.resolved(m, names, err)
		switch {
		case err != nil && (every < 0 || every > soonAgain):
			every = soonAgain
		case every < 0:
			return
		}
		if !wait(ctx, aboutAs(every)) {
			return
		}
	}
}

func lookup(ctx context.Context, t scheme.Target, s *scheme.Scheme) ([]socket.Name, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	return s.Resolve(ctx, t)
}

// resolved notes what a member's name means.
func (p *Pool) resolved(m *member, names []socket.Name, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.members, m) {
		return
	}
	if err != nil || len(names) == 0 {
		why := "it means no address"
		if err != nil {
			why = quoted(err.Error())
		}
		if m.lookupErr == "" {
			known := len(m.names)
			p.log.add(func(l *slog.Logger) {
				l.Warn("upstream could not be looked up", "upstream", m.text, "addresses kept", known, "why", why)
			})
		}
		m.lookupErr = why
		return
	}
	m.lookupErr = ""
	old := m.names
	if same(old, names) { // in whatever order
		return
	}
	m.names = names
	p.build(len(old) > 0)
	if old != nil {
		added, removed := less(names, old), less(old, names)
		p.log.add(func(l *slog.Logger) {
			l.Info("upstream has new addresses", "upstream", m.text, "new", added, "gone", removed)
		})
	}
}

// same reports whether two lists have the same names, and the same family first.
func same(a, b []socket.Name) bool {
	return len(a) > 0 && len(a) == len(b) && len(less(a, b)) == 0 && a[0].Domain() == b[0].Domain()
}

// less returns the names of a that b does not have.
func less(a, b []socket.Name) (only []socket.Name) {
	for _, n := range a {
		if !slices.Contains(b, n) {
			only = append(only, n)
		}
	}
	return only
}
