package iperf3

import "zocalo/internal/units"

// bound refuses a test that is beyond what the server allows.
func (s *Server) bound(t *Test) *refusal {
	if s.MaxTime > 0 && t.Omit+t.Duration > s.MaxTime {
		return refuse(codeDuration, "a test of %s: %s is the most", units.Set(t.Omit+t.Duration), units.Set(s.MaxTime))
	}
	if s.MaxRate <= 0 {
		return nil
	}
	switch asked := t.Rate * int64(t.Flows); {
	case t.Rate > s.MaxRate/int64(t.Flows):
		return refuse(codeRate, "%s: %s is the most", units.RateSet(float64(asked)), units.RateSet(float64(s.MaxRate)))
	case t.UDP && t.Rate == 0 && t.forward():
		return refuse(codeRate, "datagrams as fast as they go: %s is the most", units.RateSet(float64(s.MaxRate)))
	}
	return nil
}
