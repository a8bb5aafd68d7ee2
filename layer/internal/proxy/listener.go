package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"zocalo/codec"
	"zocalo/layer/internal/prefix"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// The options of listeners.
var (
	usersOption = option.New(option.Spec{
		Name: "users", Phase: option.Naming, Only: option.PassiveOnly, Default: "none: anyone may use the proxy",
		Doc: "a file of lines USER:PASSWORD, who may use the proxy; it is read again for each connection",
	}, codec.Text.Or("FILE"), nil, nil)
	allowTo = option.New(option.Spec{
		Name: "allow-to", Phase: option.Naming, Only: option.PassiveOnly, Repeatable: true,
		Default: "all but link-local, multicast, broadcast and unspecified addresses and the relay's own listeners",
		Doc:     "where peers may connect to: an address, a prefix, or a name or *.DOMAIN as requested, optionally with :PORT or :PORT-PORT",
	}, ruleCodec, nil, nil)
	denyTo = option.New(option.Spec{
		Name: "deny-to", Phase: option.Naming, Only: option.PassiveOnly, Repeatable: true, Default: "none",
		Doc: "where peers may not connect to, in the form of allow-to, which it overrides",
	}, ruleCodec, nil, nil)
	advertise = option.New(option.Spec{
		Name: "advertise", Phase: option.Naming, Only: option.PassiveOnly, Default: "the address that the peer connected to",
		Doc: "the address that peers should send datagrams to, for a proxy behind NAT",
	}, codec.Codec[netip.Addr]{Placeholder: "ADDRESS", Parse: netip.ParseAddr, Format: netip.Addr.String}, nil, nil)
)

var ruleCodec = codec.Codec[Rule]{
	Placeholder: "DESTINATION", Parse: ParseRule, Format: func(r Rule) string { return r.text },
}

// ListenerOptions are the options of every layer that is a proxy.
func ListenerOptions() []*option.Spec {
	return append(RuleOptions(), usersOption.Spec, advertise.Spec)
}

// RuleOptions are the options that say where peers may connect to.
func RuleOptions() []*option.Spec { return []*option.Spec{allowTo.Spec, denyTo.Spec} }

// RulesOf reads them.
func RulesOf(settings option.Settings) (r Rules) {
	for _, s := range settings {
		switch s.Spec {
		case allowTo.Spec:
			r.Allow = append(r.Allow, s.Value.(Rule))
		case denyTo.Spec:
			r.Deny = append(r.Deny, s.Value.(Rule))
		}
	}
	return r
}

// Needs is for every proxy layer: a stream.
func Needs(p socket.Properties) string {
	if !p.Reliable || !p.Connected || p.Bounded {
		return "it needs a stream, such as tcp"
	}
	return ""
}

// A Protocol is a way for peers to ask a proxy.
type Protocol struct {
	Name   string
	Begins func(first byte) bool // reports whether a request may begin so

	// Serve reads a request and returns a Requester. An error that the peer was told
	// about is a Told.
	Serve func(*Conn) (*socket.Socket, error)
}

// A Told is an error that the peer was told about.
type Told struct{ Err error }

func (e Told) Error() string { return e.Err.Error() }
func (e Told) Unwrap() error { return e.Err }

// A Listener is a proxy layer as one address configures it.
type Listener struct {
	Layer     *scheme.Layer
	Users     Users
	Rules     Rules
	Advertise netip.Addr
	protocols []Protocol
}

// Listen reads the options of a listener.
func Listen(layer *scheme.Layer, t scheme.LayerTarget, protocols ...Protocol) (*scheme.PreparedLayer, error) {
	l := &Listener{Layer: layer, Rules: RulesOf(t.Settings), protocols: protocols}
	l.Users.Path, _ = usersOption.In(t.Settings)
	l.Advertise, _ = advertise.In(t.Settings)
	if l.Users.Needed() {
		if err := l.Users.check(); err != nil {
			return nil, err
		}
	}
	return &scheme.PreparedLayer{Server: l.accept, Notices: l.notices}, nil
}

// notices warns about a proxy that other hosts reach and anyone may use.
func (l *Listener) notices(listening string) []string {
	_, at, _ := strings.Cut(listening, ":")
	at, _, _ = strings.Cut(at, ",") // what other layers have a client add
	where, err := netip.ParseAddrPort(at)
	if err != nil || where.Addr().IsLoopback() || l.Users.Needed() {
		return nil
	}
	return []string{"an open proxy: anyone who reaches it can connect to this host's networks: restrict it with users=FILE, --allow or allow-to="}
}

// A Conn is a connection whose peer is making a request.
type Conn struct {
	*prefix.Reader
	*Listener
	Lower *socket.Socket
}

// Write writes to the peer.
func (c *Conn) Write(b []byte) (int, error) { return c.Lower.Write(b) }

// accept reads the request of a peer.
func (l *Listener) accept(ctx context.Context, lower *socket.Socket, heard func()) (s *socket.Socket, err error) {
	err = prefix.Within(ctx, lower, func() error {
		c := &Conn{prefix.NewReader(lower), l, lower}
		first, err := c.Byte()
		if err != nil {
			return err
		}
		heard()
		c.Unread(first)
		for _, p := range l.protocols {
			if p.Begins(first) {
				s, err = p.Serve(c)
				return err
			}
		}
		return fmt.Errorf("the peer does not speak %s: its first byte is %q", l.names(), first)
	})
	if told := (Told{}); err != nil && errors.As(err, &told) && ctx.Err() == nil {
		prefix.Finish(lower)
	}
	if err != nil && s != nil {
		s.Abort()
	}
	return s, err
}

func (l *Listener) names() string {
	var names []string
	for _, p := range l.protocols {
		names = append(names, p.Name)
	}
	return strings.Join(names, " or ")
}

// answerTime is how long a peer may take to read an answer.
const answerTime = 10 * time.Second

// Ask returns the connection of a peer that asks for d. reply writes the answer.
func (c *Conn) Ask(d Destination, user string, reply func(bound netip.AddrPort, err error) error, more ...socket.Fact) *socket.Socket {
	a := &asked{Endpoint: c.Lower.Unwrap(), lower: c.Lower, layer: c.Layer.Name, user: user, facts: more, reply: reply}
	a.request = socket.Request{
		Target: d.String(),
		Permit: func(n socket.Name) error {
			if err := d.Check(); err != nil { // it matters only now that no TO is for that name
				return err
			}
			return c.Rules.Permit(d.Host, n)
		},
	}
	return socket.Wrap(a, c.Lower.Kind())
}

// asked is a connection whose peer has made its request.
type asked struct {
	socket.Endpoint
	lower       *socket.Socket
	request     socket.Request
	layer, user string
	facts       []socket.Fact
	reply       func(bound netip.AddrPort, err error) error
}

// Unwrap implements [socket.Wrapper].
func (a *asked) Unwrap() socket.Endpoint { return a.Endpoint }

func (a *asked) Close() error { return a.lower.Close() }

// Abort implements [socket.Aborter].
func (a *asked) Abort() error { return a.lower.Abort() }

// Detach implements [socket.Detacher].
func (a *asked) Detach() (int, error) { return a.lower.Detach() }

// Requested implements [socket.Requester].
func (a *asked) Requested() socket.Request { return a.request }

// Answer implements [socket.Requester].
func (a *asked) Answer(bound socket.Name, why error) error {
	a.lower.SetWriteDeadline(time.Now().Add(answerTime))
	err := a.reply(bound.AddrPort(), why)
	a.lower.SetWriteDeadline(time.Time{})
	if err == nil && why != nil {
		prefix.Finish(a.lower)
	}
	return err
}

// Facts implements [socket.Teller].
func (a *asked) Facts() []socket.Fact {
	facts := []socket.Fact{{Layer: a.layer, Name: "target", Value: a.request.Target}}
	if a.user != "" {
		facts = append(facts, socket.Fact{Layer: a.layer, Name: "user", Value: a.user})
	}
	return append(facts, a.facts...)
}
