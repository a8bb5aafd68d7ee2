package fault

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Plan is a chain of faults, in the order in which what passes meets them, and the lines that it
// impairs. [New] makes one. The exported fields must not change once anything passes.
type Plan struct {
	Seed uint64 // of all draws

	// Log, if not nil, is told of all that is done, direction by direction in order. It is called
	// with locks held: it must neither wait nor call the plan.
	Log func(Event)

	// Warn, if not nil, is told once of each fault that makes no sense for what passes, and does nothing there, in one
	// line. It must neither wait nor call the plan.
	Warn func(text string)

	// Memory is how many bytes each direction of a pair holds at most; 0 is 64 MiB.
	Memory int

	// Precise waits by timers of the system that are on time within some tens of microseconds, where there
	// are any (Linux); Go's own are late by up to a millisecond. Not for use in a bubble of testing/synctest.
	Precise bool

	dropped  atomic.Int64
	sessions atomic.Int64 // PacketConns

	mu     sync.Mutex
	began  time.Time // when the first line did
	lines  map[*line]bool
	faults []*live
}

// New returns a plan without faults.
func New(seed uint64) *Plan { return &Plan{Seed: seed} }

// DrawSeed returns a seed nobody has chosen.
func DrawSeed() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]) >> 11 // exact in the numbers of JSON
}

// A live fault is one of a plan: the same one for as long as it is in it, though what it does changes.
type live struct {
	name   string
	fault  *Fault // replaced when it changes; guarded by the plan's mu
	warned [datagrams + 1]atomic.Bool
}

func (f *live) warn(p *Plan, c Carried, why string) {
	if p.Warn != nil && f.warned[c].CompareAndSwap(false, true) {
		p.Warn(fmt.Sprintf("the fault %q does nothing on %s: %s", f.name, classNames[c], why))
	}
}

// A Handle changes a fault of a plan while data passes.
type Handle struct {
	p *Plan
	f *live
}

// Add adds a fault at the end of the chain, for pairs that are open too. Its name must be free.
func (p *Plan) Add(f Fault) (*Handle, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	added, err := p.named(f, p.faults)
	if err != nil {
		return nil, err
	}
	p.apply(append(slices.Clone(p.faults), added))
	return &Handle{p, added}, nil
}

// named makes a fault live, with a name that is not among others. The caller holds mu.
func (p *Plan) named(f Fault, others []*live) (*live, error) {
	taken := func(name string) bool {
		return slices.ContainsFunc(others, func(o *live) bool { return o.name == name })
	}
	if f.Name != "" && taken(f.Name) {
		return nil, &NameError{f.Name}
	}
	if f.Name == "" {
		word := f.Effect.word()
		f.Name = word
		for n := 2; taken(f.Name); n++ {
			f.Name = fmt.Sprintf("%s#%d", word, n)
		}
	}
	return &live{name: f.Name, fault: &f}, nil
}

// A NameError refuses a second fault of a name.
type NameError struct{ Name string }

// Error names it.
func (e *NameError) Error() string {
	return fmt.Sprintf("a fault %q already exists: give another name, or change that one", e.Name)
}

// ErrRemoved says that a handle's fault is no longer in the plan.
var ErrRemoved = errors.New("the fault was removed")

// Set changes all faults at once, for pairs that are open too: a fault whose name stays, as a fault's own
// name or the word of its effect, is changed, and the others are removed or added.
func (p *Plan) Set(faults ...Fault) error {
	for i := range faults {
		if err := faults[i].Check(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*live
	var changed []func()
	for _, f := range faults {
		next, err := p.named(f, all)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(p.faults, func(o *live) bool { return o.name == next.name }); i >= 0 {
			same := p.faults[i]
			if fault := next.fault; !reflect.DeepEqual(same.fault, fault) {
				changed = append(changed, func() { same.fault = fault })
			}
			next = same
		}
		all = append(all, next)
	}
	for _, change := range changed {
		change()
	}
	p.apply(all)
	return nil
}

// Faults returns the faults that hold, each with its name, in the order of the chain.
func (p *Plan) Faults() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Fault, len(p.faults))
	for i, f := range p.faults {
		all[i] = *f.fault
	}
	return all
}

// Lookup returns the handle of a fault by its name, nil if there is none.
func (p *Plan) Lookup(name string) *Handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		if f.name == name {
			return &Handle{p, f}
		}
	}
	return nil
}

// Dropped returns how many messages were dropped for want of room.
func (p *Plan) Dropped() int64 { return p.dropped.Load() }

// String returns the faults that hold, in the words of [Parse], one a line.
func (p *Plan) String() string {
	var b strings.Builder
	for _, f := range p.Faults() {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

// apply makes faults hold. The caller holds mu.
func (p *Plan) apply(faults []*live) {
	p.faults = faults
	for l := range p.lines {
		l.mu.Lock()
		if !l.over {
			l.follow(faults)
		}
		l.mu.Unlock()
	}
}

// Fault returns what the fault is now.
func (h *Handle) Fault() Fault {
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	return *h.f.fault
}

// Set changes the fault, whose name and place in the chain stay. For which pairs it is, is drawn
// again; what it holds it holds by the new fault; what it has counted, as Limit does, it goes on counting.
func (h *Handle) Set(f Fault) error {
	f.Name = h.f.name
	if err := f.Check(); err != nil {
		return err
	}
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	if !slices.Contains(h.p.faults, h.f) {
		return ErrRemoved
	}
	h.f.fault = &f
	h.p.apply(h.p.faults)
	return nil
}

// Remove removes the fault: what it holds goes on at once, and a Timeout closes what it has swallowed from. Once it
// is removed nothing happens.
func (h *Handle) Remove() {
	h.p.mu.Lock()
	defer h.p.mu.Unlock()
	if i := slices.Index(h.p.faults, h.f); i >= 0 {
		h.p.apply(slices.Delete(slices.Clone(h.p.faults), i, i+1))
	}
}
