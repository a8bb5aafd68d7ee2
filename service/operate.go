package service

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"zocalo/internal/nearest"
)

// Drain makes a service accept no more and end once its open pairs have, within its drain, as
// if it were no longer in the config. A reload of a config that has it begins it again.
func (s *Set) Drain(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, v := range s.config.Services {
		names = append(names, v.Name)
	}
	i := slices.Index(names, name)
	switch {
	case i < 0:
		return nearest.Unknown("service", name, names)
	case len(names) == 1:
		return fmt.Errorf("%s is the only service: end zocalo run by SIGTERM, which drains it", name)
	}
	c := *s.config
	c.Services = slices.Delete(slices.Clone(c.Services), i, i+1)
	defer s.publish()
	_, err := s.reload(&c)
	return err
}

// Eject makes an upstream get no new pairs until [Set.Restore]. It is named by its address,
// or by SERVICE/ADDRESS where more than one service has it.
func (s *Set) Eject(name string) error { return s.byHand(name, true) }

// Restore takes back what [Set.Eject] did, and an ejection for failures too.
func (s *Set) Restore(name string) error { return s.byHand(name, false) }

func (s *Set) byHand(name string, off bool) error {
	units := s.latest().units
	var known, with []string
	var found []*pool
	address := ""
	for _, u := range units {
		u.mu.Lock()
		p := u.pool
		u.mu.Unlock()
		if p == nil {
			continue
		}
		for _, server := range p.Status().Servers {
			full := u.name + "/" + server.Address
			known = append(known, full)
			if (name == full || name == server.Address) && !slices.Contains(found, p) {
				found, with, address = append(found, p), append(with, full), server.Address
			}
		}
	}
	switch {
	case len(known) == 0:
		return errors.New("no service balances: give one several addresses in to, or balance")
	case len(found) == 0:
		return nearest.Unknown("upstream", name, known)
	case len(found) > 1:
		return fmt.Errorf("%s is of %d services: name one of %s", name, len(found), strings.Join(with, ", "))
	case off:
		return found[0].Eject(address)
	}
	return found[0].Restore(address)
}
