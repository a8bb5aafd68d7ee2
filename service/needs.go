package service

import (
	"fmt"
	"path/filepath"
	"slices"

	"zocalo/service/accesslog"
	"zocalo/service/sandbox"
)

// Needs are the files and ports that the services take, and the files of the Config itself. It
// is an error for a service that runs programs. The Config must be one that [New] takes.
func (c *Config) Needs() (n sandbox.Needs, err error) {
	specs, problems := c.specs()
	if err := problems.sorted(); err != nil {
		return n, err
	}
	for _, file := range c.Files {
		n.Read = append(n.Read, filepath.Dir(file)) // which is watched, and where a new one is renamed from
	}
	if c.Metrics != "" {
		a, err := metricsAddress(c.Metrics)
		if err != nil {
			return n, err
		}
		if err := n.Add(a, true); err != nil {
			return n, err
		}
	}
	for _, s := range specs {
		if s.told.serve != nil {
			return n, fmt.Errorf("%s runs a program for each connection, and what it needs is not known: it cannot run in a sandbox", s.Name)
		}
		if t := s.told.relay; t != nil {
			if err := n.Add(t.From, t.From.Passive(true)); err != nil {
				return n, err
			}
			for _, a := range t.To {
				if err := n.Add(a, a.Passive(false)); err != nil {
					return n, err
				}
			}
		}
		if t := s.told.echo; t != nil {
			for _, a := range t.Addresses {
				if err := n.Add(a, a.Passive(true)); err != nil {
					return n, err
				}
			}
		}
		if b := s.told.balance; b != nil && b.balances() {
			for _, a := range b.config.Checked() {
				if err := n.Add(a, false); err != nil {
					return n, err
				}
			}
		}
		switch path, syslog := accesslog.Place(s.accessLog()); {
		case path != "" && !slices.Contains(n.Write, filepath.Dir(path)):
			n.Write = append(n.Write, filepath.Dir(path)) // in which it is made anew
		case syslog.Scheme != nil:
			if err := n.Add(syslog, false); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}
