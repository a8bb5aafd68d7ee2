package address

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"zocalo/codec"
	"zocalo/frame"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// The general options, which belong to whoever opens an address. Their phase
// is [option.Caller]: each is read there with its In method.
var (
	// Bind is the name that a socket has before it connects, written as an
	// endpoint of the scheme: HOST, HOST:PORT or :PORT; a path for unix. On
	// the passive side it is the host, where the endpoint is only a port; see
	// [Address.Target].
	Bind = option.New(option.Spec{
		Name:    "bind",
		Default: "the system chooses",
		Doc:     "where to connect from, written as an endpoint; for a listener on a port alone, the host",
		Phase:   option.Caller,
	}, nonEmpty("NAME"), nil, nil)

	// Backlog is the second argument of listen(2): how many connections may
	// wait to be accepted. 0 is the system's maximum.
	Backlog = option.New(option.Spec{
		Name:    "backlog",
		Default: "0, the system's maximum",
		Doc:     "how many connections may wait to be accepted; the system limits it to its maximum",
		Phase:   option.Caller,
		Only:    option.PassiveOnly,
	}, codec.AtLeast(codec.Integer, 0), nil, nil)

	// ConnectTimeout bounds the whole of connecting: look-up, and all the
	// names tried. 0 is no bound but the system's.
	ConnectTimeout = option.New(option.Spec{
		Name:    "connect-timeout",
		Default: "0, as long as the system tries",
		Doc:     "give up connecting after this long, lookup included",
		Phase:   option.Caller,
		Only:    option.ActiveOnly,
	}, codec.Duration, nil, nil)

	// HandshakeTimeout bounds the handshakes of all layers of a connection
	// together. 0 is the default, [DefaultHandshakeTimeout].
	HandshakeTimeout = option.New(option.Spec{
		Name:    "handshake-timeout",
		Default: "10s",
		Doc:     "give up on a connection whose layers (TLS, a proxy) are not ready after this long",
		Phase:   option.Caller,
	}, codec.Duration, nil, nil)

	// Frame is the format that makes messages of a stream.
	Frame = option.New(option.Spec{
		Name:    "frame",
		Default: "none: bytes as they come",
		Doc:     "how messages are marked on a stream: lines, len16, len32, varint, netstring, fixed:N or chunk:N",
		Phase:   option.Caller,
	}, frame.Codec, nil, nil)

	// NoShutdown keeps the sending side of a connection open when what was to be
	// sent has ended.
	NoShutdown = option.New(option.Spec{
		Name: "no-shutdown", Aliases: []string{"shut-none"},
		Default: "off: the end of input is passed on as a half-close",
		Doc:     "keep the sending side open after the end of input, until the peer has finished",
		Phase:   option.Caller,
	}, codec.Flag, nil, nil)

	// Retry is how often connecting, or listening, is tried again, RetryInterval apart.
	Retry = option.New(option.Spec{
		Name:    "retry",
		Default: "0",
		Doc:     "try to connect, or to listen, this many more times, interval= apart",
		Phase:   option.Caller,
	}, codec.AtLeast(codec.Integer, 0), nil, nil)

	// RetryInterval is the pause between two tries of Retry, [DefaultRetryInterval].
	RetryInterval = option.New(option.Spec{
		Name:    "interval",
		Default: "1s",
		Doc:     "the pause between two tries of retry=",
		Phase:   option.Caller,
	}, codec.Duration, nil, nil)

	// Allow is a peer, or a prefix of peers, whom alone a listener serves; the verb
	// sees to it, see its flag --allow.
	Allow = option.New(option.Spec{
		Name: "allow", Aliases: []string{"range"},
		Default: "everybody",
		Doc:     "serve only peers of this address or prefix; the same as --allow",
		Phase:   option.Caller,
		Only:    option.PassiveOnly,
	}, peers("PEERS"), nil, nil)

	// MaxConns is how many connections of a listener the verb serves at once.
	MaxConns = option.New(option.Spec{
		Name: "max-conns", Aliases: []string{"max-children"},
		Default: "the verb's",
		Doc:     "connections served at once; the same as --max-conns",
		Phase:   option.Caller,
		Only:    option.PassiveOnly,
	}, codec.AtLeast(codec.Integer, 1), nil, nil)

	// AcceptTimeout is how long a listener for one peer waits for it.
	AcceptTimeout = option.New(option.Spec{
		Name:    "accept-timeout",
		Default: "0: forever",
		Doc:     "give up if nobody connects within this time; the same as listen's --accept-timeout",
		Phase:   option.Caller,
		Only:    option.PassiveOnly,
	}, codec.Duration, nil, nil)

	// Fork says that a listener serves many peers, at once. It is the
	// opposite of [Once]; where neither is given, the verb decides.
	Fork = option.New(option.Spec{
		Name:    "fork",
		Default: "the verb's",
		Doc:     "serve any number of peers at once (in one process); the opposite of once",
		Phase:   option.Caller,
		Only:    option.PassiveOnly,
	}, codec.Flag, nil, nil)

	// Once says that a listener takes one peer and ends.
	Once = option.New(option.Spec{
		Name:    "once",
		Default: "the verb's",
		Doc:     "take one peer, then end; the opposite of fork",
		Phase:   option.Caller,
		Only:    option.PassiveOnly,
	}, codec.Flag, nil, nil)
)

// DefaultHandshakeTimeout is how long the layers of a connection may take to be
// ready.
const DefaultHandshakeTimeout = 10 * time.Second

// DefaultRetryInterval is the pause between two tries to connect.
const DefaultRetryInterval = time.Second

// peers is the codec of whoever is served: what is not an address or a prefix is
// KIND:VALUE, as uid:0, which the verb knows.
func peers(placeholder string) codec.Codec[string] {
	c := nonEmpty(placeholder)
	parse := c.Parse
	c.Parse = func(text string) (string, error) {
		_, noAddress := netip.ParseAddr(text)
		_, noPrefix := netip.ParsePrefix(text)
		kind, _, named := strings.Cut(text, ":")
		if noAddress != nil && noPrefix != nil && !(named && slices.Contains([]string{"uid", "gid", "cert"}, kind)) {
			return "", errors.New("it must be an address, a prefix such as 10.0.0.0/8, uid:N, gid:N or cert:NAME")
		}
		return parse(text)
	}
	return c
}

// nonEmpty is the codec of text that may not be empty.
func nonEmpty(placeholder string) codec.Codec[string] {
	c := codec.Text.Or(placeholder)
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
	spec    *option.Spec
	refuses func(*scheme.Scheme) string
}{
	{Bind.Spec, func(s *scheme.Scheme) string {
		return unless(s.Source != nil, "its sockets come from nowhere in particular")
	}},
	{Backlog.Spec, func(s *scheme.Scheme) string {
		queue := s.Resolve != nil && (s.Type == socket.Stream || s.Type == socket.SeqPacket)
		return unless(queue && !s.NoListen, "it has no queue of connections")
	}},
	{ConnectTimeout.Spec, connects},
	{Retry.Spec, opens},
	{RetryInterval.Spec, opens},
	{Allow.Spec, listens},
	{MaxConns.Spec, listens},
	{AcceptTimeout.Spec, listens},
	{HandshakeTimeout.Spec, func(s *scheme.Scheme) string { return unless(s.Layers != nil || s.Prepare != nil, "it has no layers") }},
	{Fork.Spec, listens},
	{Once.Spec, listens},
	{Frame.Spec, func(*scheme.Scheme) string { return "" }},
	{NoShutdown.Spec, func(*scheme.Scheme) string { return "" }},
}

func connects(s *scheme.Scheme) string {
	return unless(s.Resolve != nil && !s.NoDial, "it connects to nothing")
}

func opens(s *scheme.Scheme) string { return unless(s.Resolve != nil, "it connects to nothing") }

func listens(s *scheme.Scheme) string { return unless(!s.NoListen, "it does not listen") }

func unless(holds bool, reason string) string {
	if holds {
		return ""
	}
	return reason
}

// Options returns every option that the scheme takes: its own, in its order,
// then those of its layers, the outermost first, and the general ones.
func Options(s *scheme.Scheme) []*option.Spec {
	all := slices.Clone(s.Options)
	for i, l := range s.Layers {
		if !slices.Contains(s.Layers[:i], l) {
			all = append(all, l.Options...)
		}
	}
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
//
// Where a layer and what is beneath it have options of one name, that of the
// layer goes before it, as in tls.alpn; the bare name is an [*OptionError].
func Lookup(s *scheme.Scheme, word string) (*option.Spec, error) {
	name := strings.ToLower(word)
	if owner, option, ok := strings.Cut(name, "."); ok {
		if spec := find(optionsOf(s, owner), option); spec != nil {
			return spec, nil
		}
	}
	if spec := find(Options(s), name); spec != nil {
		return spec, ambiguous(s, spec, name)
	}
	for _, g := range general {
		if goesBy(g.spec, name) {
			return nil, &OptionError{g.spec.Name, s.Name, g.refuses(s)}
		}
	}
	return nil, unknownOption(s, word)
}

func find(specs []*option.Spec, name string) *option.Spec {
	for _, spec := range specs {
		if goesBy(spec, name) {
			return spec
		}
	}
	return nil
}

func goesBy(spec *option.Spec, name string) bool {
	return spec.Name == name || slices.Contains(spec.Aliases, name)
}
