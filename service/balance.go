package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/relay"
	"zocalo/service/upstream"
	"zocalo/service/verb"
)

// MaxWeight is the greatest weight of a [Target].
const MaxWeight = upstream.MaxWeight

// inTurn are the targets of a relay tried in the order given, as a command line has it.
const inTurn = "in-turn"

// balance are the options of a relay that has several to go to. A command line has none
// of them.
type balance struct {
	options *verb.Options
	policy  string
	check   string
	config  upstream.Config
	told    bool // the targets are balanced
}

// balanceNames are the options of balance.
var balanceNames = func() []string {
	var o verb.Options
	new(balance).declare(&o)
	return o.Names()
}()

func (b *balance) declare(o *verb.Options) {
	b.options = o
	c := &b.config
	duration := func(to *time.Duration, name, usage string) {
		o.Var(verb.NewValue(to, 0, verb.Time), name, usage)
	}
	count := func(to *int, least int, name, usage string) {
		o.Var(verb.NewValue(to, 0, verb.AtLeast(least)), name, usage)
	}
	o.Var(verb.NewValue(&b.policy, "", word("least", "round-robin", "hash", inTurn)), "balance", "how to choose among several TO: least, round-robin, hash (of the peer's address), or in-turn")
	count(&c.Tries, 1, "tries", "how many to try for a pair")
	o.Var(verb.NewValue(&c.Resolve, 0, verb.SomeTime), "resolve", "look up names again after this long")
	duration(&c.SlowStart, "slow-start", "how long a recovered one takes to get its full share")
	o.Var(verb.NewValue(&b.check, "", word("off", "connect", "tls")), "check", "how to check that each works: off, connect or tls")
	o.Text(&c.Check.Options, "check-options", "options of the tls layer of a check")
	o.Var(verb.NewValue(&c.Check.Port, 0, codec.Between(codec.Integer, 1, 65535)), "check-port", "check this port instead of the one that pairs use")
	o.Text(&c.Check.Send, "check-send", "send this text in a check")
	o.Text(&c.Check.Expect, "check-expect", "a check succeeds if this text comes back")
	o.Var(verb.NewValue(&c.Check.Interval, 0, verb.SomeTime), "check-interval", "time between checks")
	o.Var(verb.NewValue(&c.Check.Timeout, 0, verb.SomeTime), "check-timeout", "how long a check may take")
	count(&c.Check.Rise, 1, "check-rise", "checks in a row that must succeed before one comes back")
	count(&c.Check.Fall, 1, "check-fall", "checks in a row that must fail before one is down")
	count(&c.Passive.Failures, 0, "eject-after", "failed pairs in a row that eject one for a while; 0 is never")
	duration(&c.Passive.Ejection, "eject-for", "for how long at first; it doubles each time")
	duration(&c.Passive.Longest, "eject-longest", "for how long at most")
	o.Var(verb.NewValue(&c.Passive.Share, 0, codec.Between(codec.Integer, 1, 100)), "eject-share", "the percentage that may be ejected at once")
	duration(&c.Passive.Early, "eject-early", "a reset this soon after the start, without an answer, is a failure; 0 is never")
}

// word is one of several, or "".
func word(words ...string) codec.Codec[string] {
	c := verb.Choice[int](words...)
	return codec.Codec[string]{Placeholder: "string", Format: func(s string) string { return s }, Parse: func(text string) (string, error) {
		_, err := c.Parse(text)
		return text, err
	}}
}

// prepare makes the config of a pool, where there is to be one.
func (b *balance) prepare(s *Service, r *verb.Relay) error {
	given := func(name string) bool { return b.options.Given(name) }
	weighed := slices.ContainsFunc(s.To, func(t Target) bool { return t.Weight != 0 || t.Backup })
	asked := slices.ContainsFunc(balanceNames, given)
	switch plain := b.policy == inTurn; {
	case plain && weighed:
		return &verb.UsageError{Err: errors.New("--balance in-turn has no weights or backups: omit it, or them")}
	case plain:
		for _, name := range balanceNames {
			if name != "balance" && given(name) {
				return &verb.UsageError{Err: fmt.Errorf("--%s has no meaning with --balance in-turn: omit one", name)}
			}
		}
		return nil
	case r.Names != nil || r.CarryTSAP:
		if asked || weighed {
			return &verb.UsageError{Err: errors.New("where the peer says which of the targets it wants, they are not balanced: omit balance, weights, backups and checks")}
		}
		return nil
	}
	if b.told = asked || weighed || len(s.To) > 1; !b.told {
		return nil
	}
	c := &b.config
	c.Check.Kind, _ = upstream.ParseCheckKind(b.check)
	c.Policy, _ = upstream.ParsePolicy(b.policy)
	if c.Passive.Failures == 0 && given("eject-after") {
		c.Passive.Failures = -1
	}
	if c.Passive.Early == 0 && given("eject-early") {
		c.Passive.Early = -1
	}
	for i, a := range r.To {
		c.Members = append(c.Members, upstream.Member{Address: a, Weight: s.To[i].Weight, Backup: s.To[i].Backup})
	}
	_, err := upstream.New(*c)
	return err
}

// balances reports whether the relay has a pool.
func (b *balance) balances() bool { return b.told }

// A pool is that of a service: of all that runs of it.
type pool struct {
	*upstream.Pool
	stop context.CancelFunc
	over chan struct{}
}

// poolOf returns the pool for a relay, which it makes, or changes to what is told now.
func (u *unit) poolOf(t *told) (*pool, error) {
	if !t.balance.balances() {
		return nil, nil
	}
	c := u.configOf(t)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pool != nil {
		return u.pool, u.pool.Update(c)
	}
	made, err := upstream.New(c)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(u.set.life)
	p := &pool{made, stop, make(chan struct{})}
	u.pool = p
	go func() {
		defer close(p.over)
		made.Run(ctx)
	}()
	return p, nil
}

func (u *unit) configOf(t *told) upstream.Config {
	c := t.balance.config
	c.Log = u.log
	return c
}

// hook has a relay use the pool.
func (p *pool) hook(r *relay.Relay) {
	p.Link().Hook(&r.Hooks)
	r.To = p.Addresses()
}

// endPool ends the pool of a service that is over.
func (u *unit) endPool() {
	u.mu.Lock()
	p := u.pool
	u.mu.Unlock()
	p.end()
}

func (p *pool) end() {
	if p != nil {
		p.stop()
		<-p.over
	}
}

// changeTo tells the pool what is new, and returns where the relay goes.
func (p *pool) changeTo(u *unit, t *told) ([]address.Address, error) {
	if err := p.Update(u.configOf(t)); err != nil {
		return nil, err
	}
	return p.Addresses(), nil
}

// upstreams returns how the pool of a unit is, nil without one.
func (u *unit) upstreams() *upstream.Status {
	u.mu.Lock()
	p := u.pool
	u.mu.Unlock()
	if p == nil {
		return nil
	}
	s := p.Status()
	return &s
}
