package bridge

import (
	"errors"
	"fmt"
	"slices"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/relay"
	"zocalo/socket"
)

// An end is an address with what it means for a bridge.
type end struct {
	address.Address
	passive bool
	format  frame.Format
}

// prepare reads the addresses, From first, and refuses what can never be.
func (b *Bridge) prepare() ([]end, error) {
	if len(b.To) == 0 {
		return nil, errors.New("relay: there is no address to reach: give TO after FROM")
	}
	ends := make([]end, 0, 1+len(b.To))
	for _, a := range append([]address.Address{b.From}, b.To...) {
		e := end{Address: a, passive: a.Passive(false)}
		if _, err := a.Target(e.passive); err != nil {
			return nil, err
		}
		var err error
		if e.format, err = relay.FormatOf(a); err != nil {
			return nil, &address.OptionError{Option: address.Frame.Name, Scheme: a.Scheme.Name, Problem: err.Error()}
		}
		ends = append(ends, e)
	}
	for _, to := range ends[1:] {
		if to.passive && len(b.To) > 1 {
			return nil, &PairError{b.From, to.Address, "TO listens, and is one of several addresses to reach: one that listens must be alone"}
		}
		if err := checkPair(ends[0], to); err != nil {
			return nil, err
		}
		if b.PassFiles {
			if err := checkFiles(ends[0], to); err != nil {
				return nil, err
			}
		}
	}
	return ends, nil
}

// kinds returns the kinds of socket that the end can be; none where only
// opening tells.
func (e end) kinds() []socket.Kind {
	return e.Scheme.Kinds(socket.Target{Endpoint: e.Endpoint, Passive: e.passive, Settings: e.Settings})
}

// kind returns the first of kinds, ok false where there is none.
func (e end) kind() (k socket.Kind, ok bool) {
	if kinds := e.kinds(); len(kinds) > 0 {
		return kinds[0], true
	}
	return socket.Kind{}, false
}

// bounded reports whether the end keeps boundaries by itself, as far as its
// address tells.
func (e end) bounded() (is, known bool) {
	k, known := e.kind()
	return known && k.Properties().Bounded, known
}

// oneWay reports whether the options of a file or pipe open it for one
// direction.
func (e end) oneWay() bool {
	return slices.ContainsFunc(e.Settings, func(s socket.Setting) bool {
		return (s.Spec.Name == "rdonly" || s.Spec.Name == "wronly") && s.Value == true
	})
}

// A PairError refuses two addresses that cannot be joined as they are.
type PairError struct {
	From, To address.Address
	Problem  string // what is wrong, and what to add
}

// Error names both, and what to do.
func (e *PairError) Error() string {
	return fmt.Sprintf("relay %v %v: %s", e.From, e.To, e.Problem)
}

// checkPair refuses a pair by what its addresses tell.
func checkPair(from, to end) error {
	refuse := func(format string, args ...any) error {
		return &PairError{from.Address, to.Address, fmt.Sprintf(format, args...)}
	}
	if from.single() && to.single() && from.Scheme == to.Scheme && from.Endpoint == to.Endpoint {
		return refuse("they are one and the same: give another on one side")
	}
	for _, e := range []end{from, to} {
		bounded, known := e.bounded()
		switch k, _ := e.kind(); {
		case e.passive && k.Type == socket.Raw:
			return refuse("%s has no peers to tell apart: only a socket that connects can be joined", e.Scheme.Name)
		case e.Scheme.Name == "pipe" && !e.oneWay():
			return refuse("%v would read what it writes: add rdonly to read it, or wronly to write to it", e)
		case known && bounded && e.format != frame.Format{}:
			return refuse("%s keeps message boundaries by itself: leave frame=%v away", e.Scheme.Name, e.format)
		}
	}
	for _, p := range [][2]end{{from, to}, {to, from}} {
		octets, messages := p[0], p[1]
		is, known := octets.bounded()
		if !known || is || (octets.format != frame.Format{}) {
			continue
		}
		if bounded, _ := messages.bounded(); bounded || (messages.format != frame.Format{}) {
			return refuse("%s", needsFormat(octets.Address, messages.Address))
		}
	}
	return nil
}

// checkFiles refuses a pair between which no descriptors can pass.
func checkFiles(from, to end) error {
	refuse := func(problem string) error { return &PairError{from.Address, to.Address, problem} }
	for _, e := range []end{from, to} {
		k, known := e.kind()
		switch {
		case known && k.Domain != socket.Unix:
			return refuse(fmt.Sprintf("descriptors pass between unix sockets, and %s is none: leave --pass-fds away", e.Scheme.Name))
		case e.format != frame.Format{}:
			return refuse(fmt.Sprintf("descriptors have no place in messages of a format: leave frame=%v or --pass-fds away", e.format))
		case known && e.passive && k.Type == socket.Datagram:
			return refuse(fmt.Sprintf("peers of %s-listen are sessions, which take no descriptors: leave --pass-fds away, or use unix-seqpacket", e.Scheme.Name))
		}
	}
	return nil
}

// needsFormat says what to add to an address of octets beside one of messages.
func needsFormat(octets, messages address.Address) string {
	return fmt.Sprintf("%s carries octets and %s messages: add frame=FORMAT to %v, as frame=lines or frame=len32, or frame=chunk:64KiB for no agreement at all",
		octets.Scheme.Name, messages.Scheme.Name, octets)
}
