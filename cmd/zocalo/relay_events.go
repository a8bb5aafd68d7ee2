package main

import (
	"fmt"
	"time"

	"zocalo/internal/units"
	"zocalo/relay"
	"zocalo/relay/outcome"
)

// pairEvent is what --json prints of a pair that is over.
type pairEvent struct {
	Event    string    `json:"event"` // "ended"
	Pair     int64     `json:"pair"`  // counts from 1
	Peer     string    `json:"peer"`
	Target   string    `json:"target"` // "" where nothing was reached
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"`
	How      string    `json:"how"`  // "finished", "reset", "idle", "lifetime over", "cancelled" or "failed"
	Sent     passed    `json:"sent"` // by the peer to the target
	Received passed    `json:"received"`
	Dropped  int64     `json:"dropped,omitempty"` // datagrams that were lost
	Error    string    `json:"error,omitempty"`
}

func newPairEvent(event string, p relay.Pair) pairEvent {
	e := pairEvent{
		Event: event, Pair: p.Number, Peer: p.Peer, Target: p.Target, Began: p.Began, Seconds: p.Result.Duration.Seconds(),
		How: p.Result.How.String(), Sent: newPassed(p.Result.From[outcome.A]), Received: newPassed(p.Result.From[outcome.B]),
		Dropped: int64(p.Result.From[outcome.A].Dropped) + int64(p.Result.From[outcome.B].Dropped),
	}
	if p.Open {
		e.How = ""
	}
	if p.Err != nil {
		e.Error = oneLine(sideNamed(p.Err))
	}
	return e
}

// sayPair says how a pair ended: to programs always, to people with -v, and
// what failed to everybody.
func (r *relayRun) sayPair(p relay.Pair) {
	r.progress.end()
	r.dumped.forget(p.Number)
	switch {
	case r.json:
		r.printEvent(newPairEvent("ended", p))
	case r.verbose:
		r.sayf("%s", pairText(p))
	}
	if p.Err != nil && p.Result.How == outcome.Failed && r.many() {
		r.log.Warn("pair failed", "pair", p.Number, "peer", p.Peer, "target", p.Target, "error", oneLine(sideNamed(p.Err)))
	}
}

// many reports whether there may be more than one pair: the failure of the only
// one is the command's.
func (r *relayRun) many() bool {
	once, _ := r.From.IsOnce()
	return r.From.Passive(false) && !once
}

// totalsEvent is what --json prints at SIGUSR1, before what is open.
type totalsEvent struct {
	Event    string `json:"event"` // "totals"
	Open     int    `json:"open"`
	Ended    int64  `json:"ended"`
	Reset    int64  `json:"reset"`   // of those ended
	Failed   int64  `json:"failed"`  // of those ended
	Dropped  int64  `json:"dropped"` // datagrams that were lost
	Refused  int64  `json:"refused"` // messages that did not fit
	Sent     passed `json:"sent"`
	Received passed `json:"received"`
}

// sayTotals prints the totals and what is open.
func (r *relayRun) sayTotals() {
	t := r.Totals()
	e := totalsEvent{"totals", t.Open, t.Ended, t.Reset, t.Failed, t.Dropped, t.Refused,
		passed{Bytes: t.From[outcome.A].Bytes, Messages: t.From[outcome.A].Messages},
		passed{Bytes: t.From[outcome.B].Bytes, Messages: t.From[outcome.B].Messages}}
	if r.json {
		r.printEvent(e)
	} else {
		r.sayf("%s open, %s ended (%s reset, %s failed): sent %v, received %v",
			units.Plural(t.Open, "pair"), units.Count(t.Ended), units.Count(t.Reset), units.Count(t.Failed), e.Sent, e.Received)
	}
	for _, p := range r.Open() {
		if r.json {
			r.printEvent(newPairEvent("open", p))
		} else {
			r.sayf("%s", pairText(p))
		}
	}
}

// pairText is a pair for people, in one line.
func pairText(p relay.Pair) string {
	target := p.Target
	if target == "" {
		target = "nothing"
	}
	r := p.Result
	how := r.How.String() + " after"
	if p.Open {
		how = "open for"
	}
	text := fmt.Sprintf("#%d %s to %s: %s %v: sent %v, received %v", p.Number, p.Peer, target,
		how, units.Time(r.Duration), newPassed(r.From[outcome.A]), newPassed(r.From[outcome.B]))
	if p.Err != nil {
		text += ": " + oneLine(sideNamed(p.Err))
	}
	return text
}
