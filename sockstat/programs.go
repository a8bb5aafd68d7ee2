package sockstat

import (
	"context"
	"time"
)

// A Program is what a program tells of what it has in user space.
type Program struct {
	// Of a pair: when it began, and the bytes that have passed from Local to Peer and
	// back, where they are known.
	Began          time.Time
	Counted        bool
	Sent, Received uint64

	Now time.Time // when it was told
}

// listPrograms lists what programs have in user space.
func (q *Query) listPrograms(ctx context.Context, emit func(*Socket) bool) {
	kinds, states := q.kindMask(), q.stateMask()
	if q.Programs == nil || q.Netns != "" || kinds>>kernelKinds == 0 || ctx.Err() != nil {
		return
	}
	var wanted []Kind
	for k := kernelKinds; k < kindCount; k++ {
		if k == Pair && states&(1<<Established|1<<SynSent) == 0 {
			continue // a pair has no other state
		}
		if kinds&(1<<k) != 0 {
			wanted = append(wanted, k)
		}
	}
	complete := programCompleter(q.Details)
	q.Programs(ctx, wanted, func(s *Socket) bool {
		complete(s)
		if kinds&(1<<s.Kind) == 0 || states&(1<<s.State) == 0 || !q.Filter.Match(s) || q.Want != nil && !q.Want(s) {
			return true
		}
		return emit(s)
	})
}

// passed is a column of a pair's bytes, and of TCP's.
func passed(c *Column, bytes func(*Program) uint64) *Column {
	tcp := c.number
	c.number = func(s *Socket) (uint64, bool) {
		if s.Program != nil {
			return bytes(s.Program), s.Program.Counted
		}
		return tcp(s)
	}
	c.Doc += "; for a pair, those that passed that way"
	return c
}
