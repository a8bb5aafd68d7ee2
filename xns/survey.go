package xns

import (
	"context"
	"sync"
	"time"
)

// A Station is a host of the network, and what it answered.
type Station struct {
	Net           uint32 // as the host says; 0 where it does not know
	Host          HostID
	Echo          time.Duration // the round trip; 0 if it did not answer an Echo
	Time          bool          // it serves the time
	Clearinghouse bool          // a server reported that it is one of the Clearinghouse's
	Routes        []Route       // the networks that it leads to
}

// Survey asks every host on the link everything that this package can ask by
// broadcast, and returns those that answered in that time, sorted, without this one.
func (h *Host) Survey(ctx context.Context, wait time.Duration) ([]Station, error) {
	var all sync.WaitGroup
	var present []Present
	var times []ServerTime
	var clearinghouses []Addr
	var routes []Route
	var errs [4]error
	all.Go(func() { present, errs[0] = h.Who(ctx, wait) })
	all.Go(func() { times, errs[1] = h.Times(ctx, wait) })
	all.Go(func() { clearinghouses, errs[2] = h.Clearinghouses(ctx, wait) })
	all.Go(func() { routes, errs[3] = h.Networks(ctx, wait) })
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	found := map[HostID]Station{}
	note := func(a Addr, add func(*Station)) {
		s := found[a.Host]
		s.Host = a.Host
		if s.Net == 0 {
			s.Net = a.Net
		}
		add(&s)
		found[a.Host] = s
	}
	for _, p := range present {
		if p.Host != h.id {
			note(p.Addr, func(s *Station) { s.Echo = max(p.Took, 1) })
		}
	}
	for _, t := range times {
		note(t.Server, func(s *Station) { s.Time = true })
	}
	for _, a := range clearinghouses {
		note(a, func(s *Station) { s.Clearinghouse = true })
	}
	for _, r := range routes {
		note(r.Via, func(s *Station) { s.Routes = append(s.Routes, r) })
	}
	return sortedByHost(found), nil
}
