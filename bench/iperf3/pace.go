package iperf3

import "time"

// A pace keeps a flow to its rate, on the average since it began, as iperf3
// does: after a delay it catches up.
type pace struct {
	rate  float64 // bytes a second, 0 for no bound
	burst int     // blocks to let through at once
	begun time.Time
	sent  int64 // bytes
	timer *time.Timer
}

// newPace returns the pace of so many bits a second, 0 for no bound.
func newPace(rate int64, burst int) *pace {
	return &pace{rate: float64(rate) / 8, burst: max(burst, 1), begun: time.Now()}
}

// wait waits until it is time for a block of size bytes, and returns how many
// blocks may go now, at most most; 0 once stop is closed.
func (p *pace) wait(size, most int, stop <-chan struct{}) int {
	if p.rate == 0 {
		return most
	}
	ahead := time.Duration(float64(p.sent)/p.rate*float64(time.Second)) - time.Since(p.begun)
	if ahead > 0 {
		if p.timer == nil {
			p.timer = time.NewTimer(ahead)
		} else {
			p.timer.Reset(ahead)
		}
		select {
		case <-p.timer.C:
		case <-stop:
			return 0
		}
		return min(p.burst, most)
	}
	behind := int(min((-ahead).Seconds()*p.rate/float64(size), float64(most)))
	return min(max(p.burst, behind), most)
}

func (p *pace) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
