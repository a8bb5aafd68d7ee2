package sandbox

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// Needs are the files and TCP ports that are used. The zero value is none.
type Needs struct {
	Read    []string // files, and folders with all beneath
	Write   []string // files and folders that are read, written and made
	Sockets []string // folders in which unix sockets are made and removed

	Bind       []uint16 // ports to listen on, or to connect from
	Connect    []uint16 // ports to connect to
	AnyConnect bool     // to connect to any, since peers choose
}

// Add adds what an address takes: to listen on it if passive, else to connect. It is an
// error for one that runs a program.
func (n *Needs) Add(a address.Address, passive bool) error {
	if a.Scheme.Program {
		return fmt.Errorf("%v runs a program, and what it needs is not known: it cannot run in a sandbox", a)
	}
	carrier := a.Scheme
	if carrier.Carrier != nil {
		carrier = carrier.Carrier
	}
	n.addSettings(a.Settings)
	switch {
	case carrier.Name == "requested":
		n.AnyConnect = true
	case carrier.File || carrier.Name == "pipe":
		n.write(a.Endpoint)
	case !isTCP(carrier):
		if passive && onUnix(carrier) {
			n.Sockets = add(n.Sockets, filepath.Dir(a.Endpoint))
		}
	case passive:
		n.bind(a.Endpoint)
	default:
		n.connect(a.Endpoint)
	}
	return nil
}

func isTCP(s *scheme.Scheme) bool {
	if s.Type != socket.Stream || s.Protocol != 0 && s.Protocol != socket.TCP {
		return s.Name == "iso"
	}
	return slices.Contains(s.Domains, socket.Inet) || slices.Contains(s.Domains, socket.Inet6) || s.Name == "iso"
}

func onUnix(s *scheme.Scheme) bool { return slices.Contains(s.Domains, socket.Unix) }

// addSettings adds the files that options name, and the port of bind=.
func (n *Needs) addSettings(all option.Settings) {
	for _, s := range all {
		switch word, text := s.Spec.Value, s.Spec.Format(s.Value); {
		case s.Spec.Name == "keylog":
			n.write(text)
		case strings.HasPrefix(word, "FILE"):
			n.Read = add(n.Read, filepath.Dir(text)) // which is watched, and where the next one is renamed from
		case word == "FOLDER" && s.Spec.Name != "chdir":
			n.Write = add(n.Write, text)
		case s.Spec.Name == "bind":
			n.bind(text)
		}
	}
}

func (n *Needs) write(path string) { n.Write = add(n.Write, path) }

func (n *Needs) bind(endpoint string) {
	if port, ok := portOf(endpoint); ok {
		n.Bind = add(n.Bind, port)
	}
}

func (n *Needs) connect(endpoint string) {
	if port, ok := portOf(endpoint); ok {
		n.Connect = add(n.Connect, port)
		return
	}
	n.AnyConnect = true
}

// portOf is the port at the end of an endpoint, before a path of WebSocket and a selector of iso.
func portOf(endpoint string) (uint16, bool) {
	endpoint, _, _ = strings.Cut(endpoint, "/")
	text := endpoint
	if i := strings.LastIndexByte(endpoint, ':'); i >= 0 {
		text = endpoint[i+1:]
	}
	if port, err := strconv.ParseUint(text, 10, 16); err == nil {
		return uint16(port), true
	}
	if port, err := net.LookupPort("tcp", text); err == nil {
		return uint16(port), true
	}
	return 0, false
}

func add[T comparable](all []T, v T) []T {
	if slices.Contains(all, v) {
		return all
	}
	return append(all, v)
}

// AddAll adds what others take.
func (n *Needs) AddAll(more Needs) {
	for _, p := range more.Read {
		n.Read = add(n.Read, p)
	}
	for _, p := range more.Write {
		n.Write = add(n.Write, p)
	}
	for _, p := range more.Sockets {
		n.Sockets = add(n.Sockets, p)
	}
	for _, p := range more.Bind {
		n.Bind = add(n.Bind, p)
	}
	for _, p := range more.Connect {
		n.Connect = add(n.Connect, p)
	}
	n.AnyConnect = n.AnyConnect || more.AnyConnect
}

// Beyond returns what more takes that n does not have, in words, nil for nothing.
func (n *Needs) Beyond(more Needs) (words []string) {
	paths := func(doing string, wanted []string, has ...[]string) {
		for _, p := range wanted {
			if !slices.ContainsFunc(slices.Concat(has...), func(have string) bool { return covers(have, p) }) {
				words = append(words, doing+" "+p)
			}
		}
	}
	paths("reading", more.Read, n.Read, n.Write)
	paths("writing", more.Write, n.Write)
	paths("making sockets in", more.Sockets, n.Sockets, n.Write)
	for _, p := range more.Bind {
		if !slices.Contains(n.Bind, p) {
			words = append(words, fmt.Sprintf("port %d", p))
		}
	}
	if n.AnyConnect {
		return words
	}
	if more.AnyConnect {
		words = append(words, "connecting to any port")
	}
	for _, p := range more.Connect {
		if !slices.Contains(n.Connect, p) {
			words = append(words, fmt.Sprintf("connecting to port %d", p))
		}
	}
	return words
}

// covers reports whether a rule for a path holds for another: itself, or beneath it.
func covers(have, wanted string) bool {
	have, wanted = filepath.Clean(have), filepath.Clean(wanted)
	return have == wanted || have == "/" || strings.HasPrefix(wanted, have+"/")
}
