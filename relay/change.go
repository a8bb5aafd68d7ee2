package relay

import (
	"errors"
	"slices"

	"zocalo/address"
)

// settings are a Config with what its addresses mean. They never change: what a
// change brings is another.
type settings struct {
	Config
	from end
	to   []end
}

// now are the settings that hold.
func (r *run) now() *settings { return r.holds.Load() }

// A ChangeError refuses to change a relay that runs. What held before goes on.
type ChangeError struct {
	Engine string // that moves what passes
	Err    error  // why it cannot be
}

// Error says why.
func (e *ChangeError) Error() string {
	return "the relay runs, by the engine " + e.Engine + ", and was not changed: " + e.Err.Error()
}

// Unwrap returns why.
func (e *ChangeError) Unwrap() error { return e.Err }

// SetTo changes the addresses to reach: new pairs reach them, pairs that are open go
// on. It may be called at any time. What the engine that runs cannot reach is a
// [*ChangeError], and what can never be joined a [*PairError].
func (b *Relay) SetTo(to ...address.Address) error {
	return b.change(func(c *Config) { c.To = slices.Clone(to) })
}

// SetLimits changes the limits, all at once: those of a pair, as Idle and Rate, hold for
// pairs that are open too, whose time counts from their beginning; those of how many there may be
// for the next. No pair is ended since there are too many. It may be called at any time. A limit that the engine
// that runs does not have, as Lifetime of the engine datagrams, is a [*ChangeError], and so is another
// MaxConnsPerPeer.
func (b *Relay) SetLimits(l Limits) error {
	return b.change(func(c *Config) { c.Limits = l })
}

// Now returns what holds now, after all changes.
func (b *Relay) Now() Config {
	b.changes.Lock()
	defer b.changes.Unlock()
	if r := b.running.Load(); r != nil {
		return r.now().Config
	}
	return b.Config
}

func (b *Relay) change(change func(*Config)) error {
	b.changes.Lock()
	defer b.changes.Unlock()
	r := b.running.Load()
	if r == nil {
		change(&b.Config)
		return nil
	}
	c := r.now().Config
	change(&c)
	s, err := prepare(c)
	if err == nil {
		err = r.takes(s)
	}
	if err != nil {
		return &ChangeError{r.chosen.name, err}
	}
	r.holds.Store(s)
	if e := b.serving(); e != nil {
		e.change()
	}
	return nil
}

// takes refuses settings that a run cannot go on with.
func (r *run) takes(s *settings) error {
	old := r.now()
	switch lack := r.chosen.lacks(s); {
	case !s.from.passive || s.from.isOnce():
		return errors.New("there is only one pair")
	case lack != "":
		return &NotFastError{lack}
	case s.MaxConnsPerPeer != old.MaxConnsPerPeer:
		return errors.New("the bound of a single peer (MaxConnsPerPeer) stays as it was")
	case s.to[0].passive != old.to[0].passive, s.to[0].passive && !slices.EqualFunc(s.To, old.To, sameAddress):
		return errors.New("an address that listens cannot be dropped or replaced")
	case arePrograms(s.to) != arePrograms(old.to):
		return errors.New("programs cannot be replaced by addresses, nor addresses by programs")
	}
	if len(r.sockets) == 0 || slices.EqualFunc(s.To, old.To, sameAddress) {
		return nil
	}
	if group := r.meansMany(r.life, r.sockets, s.to); group != "" {
		return &NotFastError{group}
	}
	return r.refuseItself(r.life, r.sockets, s.to)
}

func sameAddress(x, y address.Address) bool { return x.String() == y.String() }
