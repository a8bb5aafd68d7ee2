package option

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"zocalo/codec"
	"zocalo/socket"
)

// A Phase says when, on the way from an address to an open socket, an option
// has its effect.
type Phase int

// The phases, in their order.
const (
	Naming    Phase = iota // read by the scheme while it resolves or opens the endpoint
	Opened                 // set on a new socket, before it is bound: a listener's too
	Connected              // set on a connected socket: dialled or accepted
	Caller                 // read by whoever opens the address: bind, backlog, frame
)

// A Spec is what the address language knows of an option: its word, its value
// and what it does. Each is defined once, by the package to which the option
// belongs.
type Spec struct {
	Name     string   // in lower case, such as "nodelay"
	Aliases  []string // other spellings, socat's among them
	Constant string   // the constant behind it, such as "TCP_NODELAY"; "" where there is none
	Value    string   // what follows "=", for people: "SIZE"; "" for a flag, which may still be given =0 or =1
	Default  string   // for people: "off", "the system's"
	Doc      string   // what it does, in one line
	Phase    Phase

	// Since is the first system that has the option, such as "Linux 2.6.25", and of
	// what came later to it. Privilege is what setting it takes, "" for
	// nothing. Silently is what the system does about it without a word, such as
	// "is lowered to net.core.rmem_max"; "" for nothing.
	Since, Privilege, Silently string

	// Only says which side takes the option.
	Only Side

	// Repeatable says that an address may give the option several times,
	// with different values.
	Repeatable bool

	// Secret says that the value may be a secret, such as a header with a token: where an
	// address is printed, *** stands for it.
	Secret bool

	// Parse turns the text of a value into the option's type; flags without
	// "=" give "1".
	Parse func(text string) (any, error)
	// Format is the inverse of Parse.
	Format func(v any) string
	// Apply sets the option; nil in the phases Naming and Caller.
	Apply func(socket.Endpoint, any) error
	// Current returns the option's value; nil where it cannot be read.
	Current func(socket.Endpoint) (any, error)
	// Int returns the arguments of setsockopt(2) that set the option, for
	// whoever has only a descriptor; nil unless the system takes an int.
	Int func(v any) (level, name, value int)
}

// A Side says which side of an address takes an option.
type Side int

// The sides.
const (
	EitherSide Side = iota
	ActiveOnly
	PassiveOnly
)

// A Setting is an option with the value that an address gives to it.
type Setting struct {
	Spec  *Spec
	Value any

	// Default says that the value is the scheme's, and nobody asked for it:
	// where a socket does not have the option it goes without.
	Default bool
}

// Text returns the value as text, *** for a secret.
func (s Setting) Text() string {
	if s.Spec.Secret {
		return "***"
	}
	return s.Spec.Format(s.Value)
}

// Settings are the options that an address gives, in its order.
type Settings []Setting

// Apply sets those of the phase on an endpoint, in their order.
func (ss Settings) Apply(p Phase, e socket.Endpoint) error {
	for _, s := range ss {
		if s.Spec.Phase != p || s.Spec.Apply == nil {
			continue
		}
		err := s.Spec.Apply(e, s.Value)
		if err != nil && !(s.Default && lacksOption(err)) {
			return fmt.Errorf("option %s=%s: %w", s.Spec.Name, s.Text(), err)
		}
	}
	return nil
}

// WithDefaults returns the settings after those of the defaults that are for
// an option which they do not give.
func (ss Settings) WithDefaults(defaults Settings) Settings {
	var all Settings
	for _, d := range defaults {
		if !slices.ContainsFunc(ss, func(s Setting) bool { return s.Spec == d.Spec }) {
			d.Default = true
			all = append(all, d)
		}
	}
	if all == nil {
		return ss
	}
	return append(all, ss...)
}

// An Option is a property of sockets that can be set or read: setsockopt(2),
// getsockopt(2), or the like of a family in user space. T is the type of its
// value in Go.
type Option[T any] struct {
	*Spec
	set func(socket.Endpoint, T) error
	get func(socket.Endpoint) (T, error)
}

// New defines an option. Of s it needs Name, Doc, Default, Phase, and
// where they apply Aliases, Constant and Only; the rest it fills in from c, set
// and get. Either of these may be nil: an option that only is read, or that
// its phase's reader looks up.
func New[T any](s Spec, c codec.Codec[T], set func(socket.Endpoint, T) error, get func(socket.Endpoint) (T, error)) *Option[T] {
	o := &Option[T]{Spec: &s, set: set, get: get}
	if c.Format == nil { // only read, and told by a trace alone
		c.Format = func(v T) string { return fmt.Sprint(v) }
	}
	s.Value = c.Placeholder
	s.Parse = func(text string) (any, error) { return c.Parse(text) }
	s.Format = func(v any) string { return c.Format(v.(T)) }
	if set != nil {
		s.Apply = func(e socket.Endpoint, v any) error { return o.Set(e, v.(T)) }
	}
	if get != nil {
		s.Current = func(e socket.Endpoint) (any, error) { return get(e) }
	}
	define(&s)
	return o
}

// defined are the options of the whole program.
var defined struct {
	mu    sync.Mutex
	specs []*Spec
}

func define(s *Spec) {
	defined.mu.Lock()
	defer defined.mu.Unlock()
	defined.specs = append(defined.specs, s)
}

// privilegeOf returns what it takes to set the option of that constant.
func privilegeOf(constant string) string {
	defined.mu.Lock()
	defer defined.mu.Unlock()
	for _, s := range defined.specs {
		if s.Constant == constant {
			return s.Privilege
		}
	}
	return ""
}

// Specs returns every option that the packages of the program have defined,
// including those that no address takes, sorted by name and constant.
func Specs() []*Spec {
	defined.mu.Lock()
	all := slices.Clone(defined.specs)
	defined.mu.Unlock()
	slices.SortStableFunc(all, func(a, b *Spec) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Constant, b.Constant))
	})
	return all
}

// Set sets the option on a socket, through layers and wrappers.
func (o *Option[T]) Set(e socket.Endpoint, v T) error {
	if o.set == nil {
		return &socket.UnsupportedError{Feature: "setting " + o.Name, Needs: "an option that can be set; this one is only read"}
	}
	s, ok := e.(*socket.Socket)
	if !ok || !s.Traced() {
		return o.set(e, v)
	}
	start := time.Now()
	err := o.set(e, v)
	s.Trace(socket.Call{Name: "setsockopt", Args: o.label() + ", " + o.Format(v), Err: err, Start: start})
	return err
}

// With returns the setting of the option to v, for the Settings of an address or a
// [scheme.Target].
func (o *Option[T]) With(v T) Setting { return Setting{Spec: o.Spec, Value: v} }

// Get returns the option's value.
func (o *Option[T]) Get(e socket.Endpoint) (T, error) {
	if o.get == nil {
		var none T
		return none, &socket.UnsupportedError{Feature: "reading " + o.Name, Needs: "an option that can be read; this one is only set"}
	}
	s, ok := e.(*socket.Socket)
	if !ok || !s.Traced() {
		return o.get(e)
	}
	start := time.Now()
	v, err := o.get(e)
	s.Trace(socket.Call{Name: "getsockopt", Args: o.label(), Detail: o.Format(v), Err: err, Start: start})
	return v, err
}

// In returns the value that settings give to the option, the last if there
// are several, and whether there is one.
func (o *Option[T]) In(ss Settings) (v T, ok bool) {
	for _, s := range ss {
		if s.Spec == o.Spec {
			v, ok = s.Value.(T), true
		}
	}
	return v, ok
}

func (s *Spec) label() string {
	if s.Constant != "" {
		return s.Constant
	}
	return s.Name
}
