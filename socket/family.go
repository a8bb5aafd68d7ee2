package socket

import (
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
)

// A Family is everything that a domain brings to this package: how its
// sockets are made, what their names are, and what its
// kinds promise. A func that is nil is something that the domain does not have.
type Family struct {
	Name    string            // in lower case, as "inet"
	Domains map[Domain]string // each with the name that C gives it, as "AF_INET"

	// New is socket(2).
	New func(Kind) (Endpoint, error)
	// Pair is socketpair(2).
	Pair func(Kind) (a, b Endpoint, err error)

	// FormatName returns a name as the address language writes it.
	FormatName func(Name) string
	// NetAddr returns package net's form of a name, nil where it has none.
	NetAddr func(Name, Kind) net.Addr
	// KindName returns the short name of a kind, "" where it has none.
	KindName func(Kind) string
	// Properties returns what a kind promises.
	Properties func(Kind) Properties

	// Kinds are those that have a name of their own in text, as "tcp" and "tcp6"; see
	// [Kind.UnmarshalText].
	Kinds map[string]Kind
}

// registered is what Register has gathered. It never changes: Register makes
// another one, so that lookups take no lock.
type registered struct {
	domains map[Domain]*Family
	consts  map[Domain]string
	kinds   map[string]Kind
}

var (
	registry    atomic.Pointer[registered]
	registering sync.Mutex
)

// current returns the registry as it is.
func current() *registered {
	if r := registry.Load(); r != nil {
		return r
	}
	return &registered{}
}

// Register adds a family, usually from the init function of its package. It
// panics if a domain or the name of a kind is taken: two families that fight for
// one are a mistake in the program.
func Register(f *Family) {
	registering.Lock()
	defer registering.Unlock()
	old := current()
	r := &registered{map[Domain]*Family{}, map[Domain]string{}, map[string]Kind{}}
	maps.Copy(r.domains, old.domains)
	maps.Copy(r.consts, old.consts)
	maps.Copy(r.kinds, old.kinds)
	for d, constant := range f.Domains {
		if other, taken := r.domains[d]; taken {
			panic(fmt.Sprintf("socket: family %s registers domain %d, which is %s's", f.Name, uint16(d), other.Name))
		}
		r.domains[d], r.consts[d] = f, constant
	}
	for name, k := range f.Kinds {
		if _, taken := r.kinds[name]; taken {
			panic(fmt.Sprintf("socket: family %s registers the kind %s, which is taken", f.Name, name))
		}
		r.kinds[name] = k
	}
	registry.Store(r)
}

func familyOf(d Domain) (*Family, bool) {
	f, ok := current().domains[d]
	return f, ok
}

// constant returns the name that C gives to a domain, as "AF_INET".
func (d Domain) constant() string {
	if c, ok := current().consts[d]; ok {
		return c
	}
	return fmt.Sprint(uint16(d))
}
