package verb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"zocalo/address"
	"zocalo/codec"
	"zocalo/fault"
	"zocalo/frame"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// Faults are the options of a relay that impairs what passes. Prepare reads them, and
// [Faults.Plan] makes what does it.
type Faults struct {
	All    []fault.Fault // none: nothing is impaired
	Seed   uint64
	Seeded bool   // Seed was given; else it is drawn
	Log    string // a file, "" for none

	specs    []string
	schedule string
}

// seed reads a seed.
var seed = codec.Codec[uint64]{Placeholder: "N", Format: func(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}, Parse: func(text string) (n uint64, err error) {
	if _, err = fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != text {
		err = errors.New("it must be a whole number, 0 or more")
	}
	return n, err
}}

// Declare declares the options.
func (f *Faults) Declare(o *Options) {
	o.Texts(&f.specs, "fault", "impair what passes, such as down:latency=100ms or up:loss=1% (`SPEC` [up:|down:]EFFECT=VALUE,...); may be repeated")
	o.Var(NewValue(&f.Seed, 0, seed), "seed", "seed of the faults: the same one draws the same; without it one is drawn, and printed")
	o.Text(&f.schedule, "schedule", "faults from a TOML `FILE`: what begins and ends when")
	o.Text(&f.Log, "fault-log", "write what the faults did to this `FILE`, as JSON lines").Own = true
}

// prepareFaults reads the faults, and refuses those that make no sense for what the
// addresses carry.
func (r *Relay) prepareFaults() error {
	f := &r.Faults
	f.Seeded = r.options.Given("seed")
	for _, spec := range f.specs {
		one, err := fault.Parse(spec)
		if err != nil {
			return usagef("--fault %.200q: %w", spec, errors.Unwrap(err))
		}
		f.All = append(f.All, one)
	}
	if f.schedule != "" {
		text, err := os.ReadFile(f.schedule)
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return usagef("--schedule %s: %w", f.schedule, path.Err)
		} else if err != nil {
			return err
		}
		s, err := fault.ParseSchedule(text)
		if err != nil {
			return usagef("--schedule %s: %w", f.schedule, err)
		}
		if f.All = append(f.All, s.Faults...); s.Seed != nil && !f.Seeded {
			f.Seed, f.Seeded = *s.Seed, true
		}
	}
	if len(f.All) == 0 {
		if f.schedule != "" {
			return usagef("--schedule %s: it has no [[fault]]", f.schedule)
		}
		return r.options.refuse("is for --fault and --schedule", "seed", "fault-log")
	}
	up, down := carries(r.From), fault.Unknown
	for i, to := range r.To {
		if c := carries(to); i == 0 {
			down = c
		} else if c != down {
			down = fault.Unknown
		}
	}
	for _, one := range f.All {
		if why := one.Senseless(up, down); why != "" {
			return usagef("--fault %v: %s", one, why)
		}
	}
	return nil
}

// carries returns what an end sends, as far as its address tells.
func carries(a address.Address) fault.Carried {
	kinds := a.Scheme.Kinds(scheme.Target{Endpoint: a.Endpoint, Passive: a.Passive(false), Settings: a.Settings})
	format, _ := address.Frame.In(a.Settings)
	switch {
	case len(kinds) == 0:
		return fault.Unknown
	case format != frame.Format{}:
		return fault.Messages
	case !kinds[0].Properties().Bounded:
		return fault.Bytes
	case kinds[0].Type == socket.Datagram:
		return fault.Datagrams
	}
	return fault.Messages
}

// Plan makes what impairs a relay, whose Filter it has; nil where there are no faults.
// Where no seed was given one is drawn, which is Seed from then on. Listen is called before the plan
// holds, to have it tell what it does.
func (f *Faults) Plan(listen func(*fault.Plan)) (*fault.Plan, error) {
	if len(f.All) == 0 {
		return nil, nil
	}
	if !f.Seeded {
		f.Seed, f.Seeded = fault.DrawSeed(), true
	}
	plan := fault.New(f.Seed)
	plan.Precise = true
	listen(plan)
	if err := plan.Set(f.All...); err != nil {
		return nil, usagef("--fault: %w", err)
	}
	return plan, nil
}
