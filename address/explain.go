package address

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"zocalo/socket"
)

// An Explanation says what an address means, for people by
// [Explanation.WriteText] and for machines as JSON.
type Explanation struct {
	Address  string              `json:"address"` // as Address.String has it
	Scheme   string              `json:"scheme"`
	Doc      string              `json:"doc"`
	Side     string              `json:"side"`               // "passive", "active", or "either": the verb decides
	Form     string              `json:"form,omitempty"`     // the form of the scheme's endpoints, as "host:port"
	Endpoint []EndpointPart      `json:"endpoint,omitempty"` // the parts of this one
	Type     string              `json:"type,omitempty"`     // as "SOCK_STREAM"; "" where opening it tells
	Protocol string              `json:"protocol,omitempty"` // as "IPPROTO_TCP", or "0"; "" with Type
	Kinds    []KindExplanation   `json:"kinds,omitempty"`    // the kinds of socket that it can become
	Options  []OptionExplanation `json:"options"`            // every option that the scheme takes: those given come first
}

// An EndpointPart is a part of an endpoint.
type EndpointPart struct {
	Name    string `json:"name"`              // as the form has it: "host"
	Value   string `json:"value"`             // as written, "" where it was left away
	Meaning string `json:"meaning,omitempty"` // where the value does not speak for itself
}

// A KindExplanation is a kind of socket and what it promises.
type KindExplanation struct {
	Name         string `json:"name"` // as "tcp"
	Call         string `json:"call"` // as "socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)"
	Reliable     bool   `json:"reliable"`
	Ordered      bool   `json:"ordered"`
	Unduplicated bool   `json:"unduplicated"`
	Connected    bool   `json:"connected"`
	Bounded      bool   `json:"bounded"`
	Urgent       int    `json:"urgent"` // octets of one urgent message, 0 for none
}

// An OptionExplanation is an option with its value.
type OptionExplanation struct {
	Name        string   `json:"name"`
	Aliases     []string `json:"aliases,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"` // what follows "=", "" for a flag
	Given       bool     `json:"given"`
	Value       string   `json:"value,omitempty"` // if given
	Default     string   `json:"default"`         // in words
	Constant    string   `json:"constant,omitempty"`
	Side        string   `json:"side,omitempty"` // "passive" or "active" where only that side takes it
	Doc         string   `json:"doc"`
}

// Explain says what an address means. Nothing is looked up: the kinds that it
// can become are the caller's to give, from the names that its endpoint
// resolves to or from the scheme's domains; without them the explanation has
// the type and protocol alone.
func Explain(a Address, kinds ...socket.Kind) Explanation {
	e := Explanation{Address: a.String(), Side: "either"}
	s := a.Scheme
	if s == nil {
		return e
	}
	e.Scheme, e.Doc, e.Form = s.Name, s.Doc, s.Endpoint
	passive, known := a.side()
	if known {
		e.Side = sideName(passive)
	}
	e.Endpoint = parts(s.Endpoint, a.Endpoint, passive)
	if s.Type != 0 {
		e.Type, e.Protocol = typeConstant(s.Type), protocolConstant(s.Protocol)
	}
	for _, k := range kinds {
		if kind := describe(k); !slices.Contains(e.Kinds, kind) {
			e.Kinds = append(e.Kinds, kind)
		}
	}
	for _, set := range a.Settings {
		o := explainOption(set.Spec)
		o.Given, o.Value = true, set.Spec.Format(set.Value)
		e.Options = append(e.Options, o)
	}
	for _, spec := range Options(s) {
		given := slices.ContainsFunc(a.Settings, func(set socket.Setting) bool { return set.Spec == spec })
		if !given {
			e.Options = append(e.Options, explainOption(spec))
		}
	}
	return e
}

func explainOption(s *socket.Spec) OptionExplanation {
	o := OptionExplanation{Name: s.Name, Aliases: s.Aliases, Placeholder: s.Value, Default: s.Default, Constant: s.Constant, Doc: s.Doc}
	if s.Only != socket.EitherSide {
		o.Side = sideName(s.Only == socket.PassiveOnly)
	}
	return o
}

func sideName(passive bool) string {
	if passive {
		return "passive"
	}
	return "active"
}

func describe(k socket.Kind) KindExplanation {
	p := k.Properties()
	return KindExplanation{
		Name:     k.String(),
		Call:     fmt.Sprintf("socket(%s, %s, %s)", domainConstant(k.Domain), typeConstant(k.Type), protocolConstant(k.Protocol)),
		Reliable: p.Reliable, Ordered: p.Ordered, Unduplicated: p.Unduplicated,
		Connected: p.Connected, Bounded: p.Bounded, Urgent: p.Urgent,
	}
}

// domainConstant returns C's name for a domain. All are named after their
// family; only the Internet's has two domains.
func domainConstant(d socket.Domain) string {
	if d == socket.Inet6 {
		return "AF_INET6"
	}
	return "AF_" + strings.ToUpper(d.String())
}

func typeConstant(t socket.Type) string {
	switch t {
	case socket.Stream:
		return "SOCK_STREAM"
	case socket.Datagram:
		return "SOCK_DGRAM"
	case socket.Raw:
		return "SOCK_RAW"
	case socket.SeqPacket:
		return "SOCK_SEQPACKET"
	}
	return fmt.Sprint(uint8(t))
}

func protocolConstant(p socket.Protocol) string {
	name := strings.ToUpper(p.String())
	switch {
	case p == 0:
		return "0"
	case name[0] >= '0' && name[0] <= '9':
		return name
	}
	return "IPPROTO_" + name
}

// plainForm matches the forms whose parts have names: words joined by one
// separator.
var plainForm = regexp.MustCompile(`^[a-z]+(?:(:)[a-z]+|(#)[a-z]+#[a-z]+)?$`)

// parts cuts an endpoint as its form says. An endpoint that does not have the
// form, or a form that is free, makes one part.
func parts(form, endpoint string, passive bool) []EndpointPart {
	if form == "" {
		return nil
	}
	names, values := []string{"endpoint"}, []string{endpoint}
	if m := plainForm.FindStringSubmatch(form); m != nil {
		switch sep := m[1] + m[2]; sep {
		case "":
			names = []string{form}
		case ":":
			names = strings.Split(form, sep)
			i := strings.LastIndexByte(endpoint, ':')
			values = []string{endpoint[:max(i, 0)], endpoint[i+1:]}
		default:
			if all := strings.Split(endpoint, sep); len(all) == strings.Count(form, sep)+1 {
				names, values = strings.Split(form, sep), all
			}
		}
	}
	list := make([]EndpointPart, len(names))
	for i, name := range names {
		list[i] = EndpointPart{name, values[i], meaning(name, values[i], passive)}
	}
	return list
}

// meaning says what a part means where its text does not.
func meaning(name, value string, passive bool) string {
	switch {
	case name == "host" && value == "" && passive:
		return "localhost, on every address that it has"
	case name == "host" && value == "":
		return "localhost"
	case name == "host" && value == "any" && passive:
		return "every interface"
	case name == "port" && (value == "0" || value == "any") && passive:
		return "the system chooses one"
	case name == "endpoint" && strings.HasPrefix(value, "@"):
		return "a name in the abstract namespace, without a file"
	}
	return ""
}
