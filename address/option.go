package address

import (
	"errors"
	"slices"
	"strings"

	"zocalo/socket"
)

// The general options, which belong to whoever opens an address. Their phase
// is [socket.Caller]: each is read there with its In method.
var (
	// Bind is the name that a socket has before it connects, written as an
	// endpoint of the scheme: HOST, HOST:PORT or :PORT; a path for unix. On
	// the passive side it is the host, where the endpoint is only a port; see
	// [Address.Target].
	Bind = socket.NewOption(socket.Spec{
		Name:    "bind",
		Default: "the system chooses",
		Doc:     "where to connect from, written as an endpoint; for a listener on a port alone, the host",
		Phase:   socket.Caller,
	}, nonEmpty("NAME"), nil, nil)

	// Backlog is the second argument of listen(2): how many connections may
	// wait to be accepted. 0 is the system's maximum.
	Backlog = socket.NewOption(socket.Spec{
		Name:    "backlog",
		Default: "0, the system's maximum",
		Doc:     "how many connections may wait to be accepted; the system lowers what is beyond its maximum",
		Phase:   socket.Caller,
		Only:    socket.PassiveOnly,
	}, socket.AtLeast(socket.Integer, 0), nil, nil)

	// ConnectTimeout bounds the whole of connecting: look-up, and all the
	// names tried. 0 is no bound but the system's.
	ConnectTimeout = socket.NewOption(socket.Spec{
		Name:    "connect-timeout",
		Default: "0, as long as the system tries",
		Doc:     "give up if there is no connection by then, look-up included",
		Phase:   socket.Caller,
		Only:    socket.ActiveOnly,
	}, socket.Duration, nil, nil)

	// Frame names the format that makes messages of a stream. It is text
	// here; package frame reads it.
	Frame = socket.NewOption(socket.Spec{
		Name:    "frame",
		Default: "none: octets as they come",
		Doc:     "how messages are marked on a stream: lines, len16, len32, varint, netstring, fixed:N or chunk:N",
		Phase:   socket.Caller,
	}, nonEmpty("FORMAT"), nil, nil)

	// Fork says that a listener serves many peers, at once. It is the
	// opposite of [Once]; where neither is given, the verb decides.
	Fork = socket.NewOption(socket.Spec{
		Name:    "fork",
		Default: "the verb's",
		Doc:     "serve any number of peers at once (in one process); the opposite of once",
		Phase:   socket.Caller,
		Only:    socket.PassiveOnly,
	}, socket.Flag, nil, nil)

	// Once says that a listener takes one peer and ends.
	Once = socket.NewOption(socket.Spec{
		Name:    "once",
		Default: "the verb's",
		Doc:     "take one peer, then end; the opposite of fork",
		Phase:   socket.Caller,
		Only:    socket.PassiveOnly,
	}, socket.Flag, nil, nil)
)

// nonEmpty is the codec of text that may not be empty.
func nonEmpty(placeholder string) socket.Codec[string] {
	c := socket.Text.Or(placeholder)
	c.Parse = func(text string) (string, error) {
		if text == "" {
			return "", errors.New("it is empty, and must not be")
		}
		return text, nil
	}
	return c
}

// general lists the general options, each with the reason for which a scheme
// does not take it, "" if it does.
var general = []struct {
	spec    *socket.Spec
	refuses func(*socket.Scheme) string
}{
	{Bind.Spec, func(s *socket.Scheme) string {
		return unless(s.Source != nil, "its sockets come from nowhere in particular")
	}},
	{Backlog.Spec, func(s *socket.Scheme) string {
		queue := s.Resolve != nil && (s.Type == socket.Stream || s.Type == socket.SeqPacket)
		return unless(queue && !s.NoListen, "it has no queue of connections")
	}},
	{ConnectTimeout.Spec, func(s *socket.Scheme) string {
		return unless(s.Resolve != nil && !s.NoDial, "it connects to nothing")
	}},
	{Fork.Spec, func(s *socket.Scheme) string { return unless(!s.NoListen, "it does not listen") }},
	{Once.Spec, func(s *socket.Scheme) string { return unless(!s.NoListen, "it does not listen") }},
	{Frame.Spec, func(*socket.Scheme) string { return "" }},
}

func unless(holds bool, reason string) string {
	if holds {
		return ""
	}
	return reason
}

// Options returns every option that the scheme takes: its own, in its order,
// then the general ones.
func Options(s *socket.Scheme) []*socket.Spec {
	all := slices.Clone(s.Options)
	for _, g := range general {
		if g.refuses(s) == "" {
			all = append(all, g.spec)
		}
	}
	return all
}

// Lookup finds an option of the scheme by its name or another spelling of it,
// in any case. One that the scheme does not take is an [*OptionError] if it is
// a general one, else an [*UnknownOptionError].
func Lookup(s *socket.Scheme, word string) (*socket.Spec, error) {
	name := strings.ToLower(word)
	if spec := find(Options(s), name); spec != nil {
		return spec, nil
	}
	for _, g := range general {
		if goesBy(g.spec, name) {
			return nil, &OptionError{g.spec.Name, s.Name, g.refuses(s)}
		}
	}
	return nil, unknownOption(s, word)
}

func find(specs []*socket.Spec, name string) *socket.Spec {
	for _, spec := range specs {
		if goesBy(spec, name) {
			return spec
		}
	}
	return nil
}

func goesBy(spec *socket.Spec, name string) bool {
	return spec.Name == name || slices.Contains(spec.Aliases, name)
}
