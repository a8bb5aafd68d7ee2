package iperf3

// bound refuses a test that is beyond what the server allows.
func (s *Server) bound(t *Test) *refusal {
	if s.MaxTime > 0 && t.Omit+t.Duration > s.MaxTime {
		return refuse(codeDuration, "a test of %v: %v is the most", t.Omit+t.Duration, s.MaxTime)
	}
	if s.MaxRate <= 0 {
		return nil
	}
	switch asked := t.Rate * int64(t.Flows); {
	case t.Rate > s.MaxRate/int64(t.Flows):
		return refuse(codeRate, "%d bit/s: %d are the most", asked, s.MaxRate)
	case t.UDP && t.Rate == 0 && t.forward():
		return refuse(codeRate, "datagrams as fast as they go: %d bit/s are the most", s.MaxRate)
	}
	return nil
}
