package join

import (
	"sync/atomic"
	"time"

	"zocalo/relay/outcome"
)

// A Progress says what has passed so far in a join that goes on. Its zero value
// is ready to use, for one join.
type Progress struct {
	bytes, messages [2]atomic.Int64
	join            atomic.Pointer[join]
}

// SetLimits changes the options Idle, Lifetime and Pace of the join that goes on, if there is
// one: silence counts from now on, the lifetime from its beginning.
func (p *Progress) SetLimits(idle, lifetime time.Duration, pace Pace) {
	if j := p.join.Load(); j != nil {
		j.pace.Store(&pace)
		j.setLimits(idle, lifetime)
	}
}

// From returns the bytes and messages of an end that were written to the
// other.
func (p *Progress) From(s outcome.Side) (bytes, messages int64) {
	return p.bytes[s].Load(), p.messages[s].Load()
}

// Add counts what was written: for whoever moves the pair in place of a join.
func (p *Progress) Add(from outcome.Side, bytes, messages int) {
	p.bytes[from].Add(int64(bytes))
	if messages > 0 {
		p.messages[from].Add(int64(messages))
	}
}
