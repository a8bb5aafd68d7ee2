package streams

import (
	"time"

	"zocalo/internal/pass"
	"zocalo/internal/poll"
)

// A connection that is refused right after it was accepted, by a list, a bound, or
// since nothing could be reached for it, is reset a moment later, see pass.RefuseAge.

// A refusal is a descriptor that is to be reset.
type refusal struct {
	fd int
	at time.Duration
}

// refused are the descriptors of a loop that wait for their reset, oldest first.
type refused struct {
	w     *worker
	all   []refusal
	timer poll.Timer
	pass.Refusals
}

// refuse resets side A of a Conn that is over and was never joined, once it is old
// enough.
func (s *side) refuse() {
	w := s.conn.w
	r := &w.refused
	if s.kind == Unix || w.cut || s.conn.age() >= pass.RefuseAge || !r.MayWait(w.Now()) {
		s.close(true)
		return
	}
	fd := int(s.fd)
	s.fd = -1
	w.Remove(fd)
	r.all = append(r.all, refusal{fd, s.conn.began + pass.RefuseAge})
	if !r.timer.Armed() {
		w.Arm(&r.timer, pass.RefuseAge, r)
	}
}

// reset resets the first n.
func (r *refused) reset(n int) {
	for _, x := range r.all[:n] {
		Reset(x.fd)
	}
	r.all = append(r.all[:0], r.all[n:]...)
}

// Expired implements Expirer.
func (r *refused) Expired(*poll.Timer) {
	n := 0
	for n < len(r.all) && r.all[n].at <= r.w.Now() {
		n++
	}
	r.reset(n)
	if len(r.all) > 0 {
		r.w.Arm(&r.timer, r.all[0].at-r.w.Now(), r)
	}
}
