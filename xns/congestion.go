package xns

import "time"

// The bounds of the time to wait for an acknowledgement, and for a probe.
const (
	firstTimeout = time.Second
	leastTimeout = 100 * time.Millisecond
	mostTimeout  = time.Minute
	mostBackoff  = 7            // doublings (4.3BSD: 6, of at least a second)
	leastProbe   = 2 * ackDelay // a probe must not overtake an acknowledgement that is only delayed
)

// A stream of so few packets is thin, and may repeat them so often before its
// timeout is doubled.
const (
	thinPackets  = 4
	thinTimeouts = 4
)

// congestion estimates what the network carries, as TCP does: the round-trip
// time (RFC 6298), and how many packets may be on their way (RFC 5681, RFC
// 6582), counted in packets.
type congestion struct {
	window, threshold int
	credit            int // acknowledgements towards the next packet of window
	duplicates        int
	fast              bool   // recovering from a loss that duplicates told of
	recover           uint16 // what was sent up to here is recovered from together

	srtt, rttvar, rto time.Duration
	timeouts          int // since something arrived
	backoff           int // the timeout is doubled so often
}

func (w *congestion) init() {
	*w = congestion{window: 4, threshold: sendPackets, rto: firstTimeout}
}

// size is how many packets may be on their way.
func (w *congestion) size() int { return w.window }

// timeout is how long to wait for an acknowledgement.
func (w *congestion) timeout() time.Duration {
	return min(w.rto<<min(w.backoff, mostBackoff), mostTimeout)
}

// sample takes in a round-trip time.
func (w *congestion) sample(d time.Duration) {
	if w.srtt == 0 {
		w.srtt, w.rttvar = d, d/2
	} else {
		w.rttvar += (max(w.srtt-d, d-w.srtt) - w.rttvar) / 4
		w.srtt += (d - w.srtt) / 8
	}
	w.rto = min(max(w.srtt+4*w.rttvar, leastTimeout), mostTimeout)
}

// progress takes in that n more packets arrived. It reports whether the oldest
// that has not is to be sent again.
func (w *congestion) progress(s *sender, n int) (again bool) {
	w.duplicates, w.timeouts, w.backoff = 0, 0, 0
	if !before(s.una, w.recover) {
		if w.fast {
			w.fast = false
			w.window = w.threshold
		}
		w.recover = s.una
	}
	if w.fast {
		w.window = max(w.window-n+1, 1)
		return true
	}
	if w.window < w.threshold {
		w.window += n
	} else if w.credit += n; w.credit >= w.window {
		w.credit = 0
		w.window++
	}
	w.window = min(w.window, sendPackets)
	return false
}

// duplicate takes in an acknowledgement that says nothing new, and reports
// whether the oldest packet is to be sent again at once: after three, or fewer
// where there are not four packets that could draw them (RFC 5827).
func (w *congestion) duplicate(s *sender) (again bool) {
	w.duplicates++
	sent := int(s.max - s.una)
	enough := min(3, max(1, sent-1))
	switch {
	case w.fast:
		w.window = min(w.window+1, sendPackets)
	case w.duplicates >= enough && sent > 1 && !before(s.una, w.recover):
		w.threshold = max(sent/2, 2)
		w.window = w.threshold + 3
		w.recover, w.fast = s.max, true
		return true
	}
	return false
}

// expired takes in that an acknowledgement did not come in time. A few packets
// do no harm: where no more are out, the timeout is doubled from the fifth time
// on, as Linux has it for thin streams of TCP.
func (w *congestion) expired(s *sender) {
	w.threshold = max(int(s.max-s.una)/2, 2)
	w.window, w.credit, w.duplicates, w.fast = 1, 0, 0, false
	w.recover = s.max
	if w.timeouts++; w.timeouts > thinTimeouts || w.srtt == 0 || int(s.max-s.una) > thinPackets {
		w.backoff++
	}
}

// quench is what an Error about congestion asks for.
func (w *congestion) quench() { w.window = 1 }
