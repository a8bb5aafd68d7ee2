package relay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"zocalo/address"
	"zocalo/frame"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// An end is an address with what it means for a relay.
type end struct {
	address.Address
	passive  bool
	format   frame.Format
	keepOpen bool
}

// hasLayers reports whether connections to the end, or of it, begin with layers.
func (e end) hasLayers() bool { return e.Scheme.Layers != nil }

// newEnd reads an address.
func newEnd(a address.Address) (end, error) {
	e := end{Address: a, passive: a.Passive(false)}
	if _, err := a.Target(e.passive); err != nil {
		return e, err
	}
	e.keepOpen, _ = address.NoShutdown.In(a.Settings)
	e.format, _ = address.Frame.In(a.Settings)
	return e, nil
}

// prepare reads the addresses, and refuses what can never be.
func prepare(c Config) (*settings, error) {
	s := &settings{Config: c}
	from := c.From
	if from.Scheme == nil && c.Listener != nil {
		from = addressOf(c.Listener)
	}
	var err error
	if c.OneWay {
		from = directed(from, "rdonly")
	}
	if s.from, err = newEnd(from); err != nil {
		return nil, err
	}
	switch {
	case len(c.To) == 0 && c.Reach == nil:
		return nil, errors.New("relay: there is no address to reach: give TO after FROM")
	case len(c.To) > 0 && c.Reach != nil:
		return nil, errors.New("relay: there are addresses to reach and a function that reaches: give one of the two")
	case c.Listener != nil && !s.from.passive:
		return nil, fmt.Errorf("relay: a listener was given, and %v does not listen: give the address without it, or omit it", from)
	case c.Reach != nil:
		s.to = []end{{Address: address.Address{Scheme: &scheme.Scheme{Name: "reached"}}}}
	}
	for _, a := range c.To {
		if c.OneWay {
			a = directed(a, "wronly")
		}
		to, err := newEnd(a)
		if err != nil {
			return nil, err
		}
		if err := c.checkPair(s.from, to); err != nil {
			return nil, err
		}
		s.to = append(s.to, to)
	}
	return s, nil
}

// directed returns an address with the option of one direction, where it has such
// options and gives neither.
func directed(a address.Address, name string) address.Address {
	if a.Scheme == nil || slices.ContainsFunc(a.Settings, func(s option.Setting) bool { return s.Spec.Name == "rdonly" || s.Spec.Name == "wronly" }) {
		return a
	}
	if i := slices.IndexFunc(a.Scheme.Options, func(s *option.Spec) bool { return s.Name == name }); i >= 0 {
		a.Settings = append(slices.Clone(a.Settings), option.Setting{Spec: a.Scheme.Options[i], Value: true})
	}
	return a
}

// checkPair refuses a TO that can never be joined with FROM as is asked for.
func (c *Config) checkPair(from, to end) error {
	if to.passive && len(c.To) > 1 {
		return &PairError{from.Address, to.Address, "TO listens, and is one of several: a TO that listens must be the only one"}
	}
	if err := checkPair(from, to); err != nil || !c.PassFiles {
		return err
	}
	return checkFiles(from, to)
}

// addressOf is a listener that was given as an address, for messages and as far as its
// sockets tell what it is.
func addressOf(l server.Listener) address.Address {
	own := &scheme.Scheme{Name: "listener", NoDial: true}
	if sockets := server.SocketsOf(l); len(sockets) > 0 {
		k := sockets[0].Kind()
		own.Name, own.Domains, own.Type, own.Protocol = k.String(), []socket.Domain{k.Domain}, k.Type, k.Protocol
		for name := range strings.SplitSeq(k.Layers, "+") {
			if l, ok := scheme.LookupLayer(name); ok {
				own.Layers = append(own.Layers, l)
			}
		}
	}
	return address.Address{Scheme: own, Endpoint: l.Name().String()}
}

// kinds returns the kinds of socket that the end can be; none where only
// opening tells.
func (e end) kinds() []socket.Kind {
	return e.Scheme.Kinds(scheme.Target{Endpoint: e.Endpoint, Passive: e.passive, Settings: e.Settings})
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
		return refuse("they are the same: give a different one on one side")
	}
	if to.Scheme == requested && !requests(from.Address) {
		return refuse("the peers of FROM ask for nothing: make it a proxy's listener, such as socks-listen:1080, connect-listen:3128 or proxy-listen:1080")
	}
	for _, e := range []end{from, to} {
		bounded, known := e.bounded()
		switch k, _ := e.kind(); {
		case e.passive && k.Type == socket.Raw:
			return refuse("%s cannot tell its peers apart: only a connected socket can be joined", e.Scheme.Name)
		case e.Scheme.Loops != nil && e.Scheme.Loops(e.Settings):
			return refuse("%v would read what it writes: add rdonly to read it, or wronly to write to it", e)
		case known && bounded && e.format != frame.Format{}:
			return refuse("%s keeps message boundaries itself: omit frame=%v", e.Scheme.Name, e.format)
		}
	}
	for _, p := range [][2]end{{from, to}, {to, from}} {
		bytes, messages := p[0], p[1]
		is, known := bytes.bounded()
		if !known || is || (bytes.format != frame.Format{}) {
			continue
		}
		if bounded, _ := messages.bounded(); bounded || (messages.format != frame.Format{}) {
			return refuse("%s", needsFormat(bytes.Address, messages.Address))
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
			return refuse(fmt.Sprintf("descriptors pass between unix sockets only, and %s is not one: omit --pass-fds", e.Scheme.Name))
		case e.format != frame.Format{}:
			return refuse(fmt.Sprintf("messages in a format cannot carry descriptors: omit frame=%v or --pass-fds", e.format))
		case known && e.passive && k.Type == socket.Datagram:
			return refuse(fmt.Sprintf("peers of %s-listen are sessions, which take no descriptors: omit --pass-fds, or use unix-seqpacket", e.Scheme.Name))
		}
	}
	return nil
}

// needsFormat says what to add to an address of bytes beside one of messages.
func needsFormat(bytes, messages address.Address) string {
	return fmt.Sprintf("%s carries bytes and %s messages: add frame=FORMAT to %v, such as frame=lines or frame=len32, or frame=chunk:64KiB if the two sides have agreed on nothing",
		bytes.Scheme.Name, messages.Scheme.Name, bytes)
}

// literal reports whether the endpoint is a name already.
func (e end) literal() bool {
	if d := e.Scheme.Domains; len(d) == 0 || d[0] == socket.Unix || d[0] == socket.VSock {
		return true
	}
	i := strings.LastIndexByte(e.Endpoint, ':')
	if i < 0 {
		return false
	}
	_, err := strconv.ParseUint(e.Endpoint[i+1:], 10, 16)
	host := strings.TrimSuffix(strings.TrimPrefix(e.Endpoint[:i], "["), "]")
	a, errHost := netip.ParseAddr(host)
	return err == nil && errHost == nil && a.Zone() == ""
}
