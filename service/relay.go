package service

import (
	"context"
	"errors"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
)

// errReplaced is of a change that only another job can make.
var errReplaced = errors.New("the service must be restarted")

// relayJob is a relay.
type relayJob struct {
	relay.Relay
	unit    *unit
	told    *told // of the unit's mu
	pool    *pool
	offset  int64
	failure error // of making it
}

// newJob makes what serves.
func (u *unit) newJob(t *told) job {
	offset := u.offset()
	switch {
	case t.serve != nil:
		return u.newServe(t.serve, offset)
	case t.echo != nil:
		return u.newEcho(t.echo, offset)
	}
	j := &relayJob{unit: u, told: t, offset: offset}
	j.Config = t.relay.Config
	j.Limits = limitsOf(t)
	j.Log = u.log
	o := &u.set.options
	if more, own := u.ended(), j.Ended; own == nil {
		j.Ended, j.OnlyFailures = offsetting(offset, more), u.onlyFailures()
	} else {
		j.Ended = func(p relay.Pair) {
			if own(p); more != nil {
				p.Number += offset
				more(p)
			}
		}
	}
	j.Reached = u.reached()
	if o.Listening != nil { // of a TO that listens
		j.Listening = func(l *zocalo.Listener, a address.Address) error {
			o.Listening(u.name, l, a)
			return nil
		}
	}
	var err error
	if j.pool, err = u.poolOf(t); err != nil {
		j.failure = err
	} else if j.pool != nil {
		j.pool.hook(&j.Relay)
	}
	return j
}

// offsetting has f hear of pairs by their numbers in the service.
func offsetting(offset int64, f func(relay.Pair)) func(relay.Pair) {
	if f == nil {
		return nil
	}
	return func(p relay.Pair) {
		p.Number += offset
		f(p)
	}
}

// limitsOf are the limits of a relay. How long it drains is the generation's to see to.
func limitsOf(t *told) relay.Limits {
	l := t.relay.Limits
	l.Drain = -1
	return l
}

func (j *relayJob) run(ctx context.Context, listeners []*zocalo.Listener) error {
	if len(listeners) > 0 {
		j.Listener = listeners[0]
	}
	if j.failure != nil {
		return j.failure
	}
	err := j.Run(ctx)
	if err == nil && ctx.Err() == nil && j.Listener != nil {
		if once, _ := j.From.IsOnce(); !once {
			err = errors.New("the relay ended by itself")
		}
	}
	return err
}

func (j *relayJob) abort()               { j.Abort() }
func (j *relayJob) totals() relay.Totals { return j.Totals() }

func (j *relayJob) pairs() []relay.Pair {
	all := j.Open()
	for i := range all {
		all[i].Number += j.offset
	}
	return all
}

// change implements job: limits and TO of a relay that runs can be others.
func (j *relayJob) change(t *told) error {
	if t.relay == nil || (j.pool != nil) != t.balance.balances() {
		return errReplaced
	}
	before, to := j.Now(), t.relay.To
	undo := func() {
		if j.pool != nil {
			j.pool.Update(j.unit.configOf(j.told))
		}
		j.SetTo(before.To...)
	}
	if j.pool != nil {
		var err error
		if to, err = j.pool.changeTo(j.unit, t); err != nil {
			return err
		}
	}
	if err := j.SetTo(to...); err != nil {
		undo()
		return changed(err)
	}
	if err := j.SetLimits(limitsOf(t)); err != nil {
		undo()
		return changed(err)
	}
	j.told = t
	return nil
}

// changed is errReplaced where the engine that runs cannot do it, and another could.
func changed(err error) error {
	var change *relay.ChangeError
	if errors.As(err, &change) {
		return errReplaced
	}
	return err
}
