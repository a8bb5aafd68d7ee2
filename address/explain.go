package address

import (
	"slices"
	"strings"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
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
	Layers   []LayerExplanation  `json:"layers,omitempty"`   // outermost first
	Kinds    []KindExplanation   `json:"kinds,omitempty"`    // the kinds of socket that it can become; none where only opening it tells
	Options  []OptionExplanation `json:"options"`            // every option that the scheme and side take: those given come first
}

// An EndpointPart is a part of an endpoint.
type EndpointPart struct {
	Name    string `json:"name"`              // as the form has it: "host"; the form itself if it has no parts
	Value   string `json:"value"`             // as written, "" where it was left away
	Meaning string `json:"meaning,omitempty"` // where the value does not speak for itself
}

// A KindExplanation is a kind of socket and what it promises.
type KindExplanation struct {
	Name         string `json:"name"` // as "tcp"
	Call         string `json:"call"` // as "socket(AF_INET, SOCK_STREAM, 0)"
	Reliable     bool   `json:"reliable"`
	Ordered      bool   `json:"ordered"`
	Unduplicated bool   `json:"unduplicated"`
	Connected    bool   `json:"connected"`
	Bounded      bool   `json:"bounded"`
	Urgent       int    `json:"urgent"` // bytes of one urgent message, 0 for none
}

// A LayerExplanation is a layer of the address.
type LayerExplanation struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

// An OptionExplanation is an option with its value.
type OptionExplanation struct {
	Name        string   `json:"name"`
	Layer       string   `json:"layer,omitempty"` // that knows it
	Aliases     []string `json:"aliases,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"` // what follows "=", "" for a flag
	Given       bool     `json:"given"`
	Value       string   `json:"value,omitempty"` // if given
	Default     string   `json:"default"`         // in words
	Constant    string   `json:"constant,omitempty"`
	Since       string   `json:"since,omitempty"`     // the first system that has it
	Privilege   string   `json:"privilege,omitempty"` // what setting it takes
	Silently    string   `json:"silently,omitempty"`  // what the system does about it without a word
	Side        string   `json:"side,omitempty"`      // "passive" or "active" where only that side takes it
	Doc         string   `json:"doc"`
}

// Explain says what an address means. Nothing is looked up.
func Explain(a Address) Explanation {
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
	for _, l := range s.Layers {
		e.Layers = append(e.Layers, LayerExplanation{l.Name, l.Doc})
	}
	for _, k := range s.Kinds(scheme.Target{Endpoint: a.Endpoint, Passive: passive, Settings: a.Settings}) {
		e.Kinds = append(e.Kinds, describe(k))
	}
	for _, set := range a.Settings {
		o := explainOption(s, set.Spec)
		o.Given, o.Value = true, set.Text()
		e.Options = append(e.Options, o)
	}
	for _, spec := range Options(s) {
		given := slices.ContainsFunc(a.Settings, func(set option.Setting) bool { return set.Spec == spec })
		if !given && !(known && isOther(spec.Only, passive)) {
			e.Options = append(e.Options, explainOption(s, spec))
		}
	}
	return e
}

func explainOption(scheme *scheme.Scheme, s *option.Spec) OptionExplanation {
	o := OptionExplanation{Name: qualified(scheme, s), Aliases: s.Aliases, Placeholder: s.Value, Default: s.Default, Constant: s.Constant,
		Since: s.Since, Privilege: s.Privilege, Silently: s.Silently, Doc: s.Doc}
	if s.Only != option.EitherSide {
		o.Side = sideName(s.Only == option.PassiveOnly)
	}
	for _, l := range scheme.Layers {
		if slices.Contains(l.Options, s) {
			o.Layer = l.Name
		}
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
		Name: k.String(), Call: "socket(" + k.Arguments() + ")",
		Reliable: p.Reliable, Ordered: p.Ordered, Unduplicated: p.Unduplicated,
		Connected: p.Connected, Bounded: p.Bounded, Urgent: p.Urgent,
	}
}

// parts cuts an endpoint as its form says. An endpoint that does not have the
// form, or a form that is free, makes one part.
func parts(form, endpoint string, passive bool) []EndpointPart {
	if form == "" {
		return nil
	}
	names, values := []string{form}, []string{endpoint}
	switch {
	case strings.TrimLeft(form, "abcdefghijklmnopqrstuvwxyz:#") != "": // not words joined by one separator
	case strings.Contains(form, ":"):
		names = strings.Split(form, ":")
		i := strings.LastIndexByte(endpoint, ':')
		values = []string{endpoint[:max(i, 0)], endpoint[i+1:]}
	case strings.Count(endpoint, "#") == strings.Count(form, "#"):
		names, values = strings.Split(form, "#"), strings.Split(endpoint, "#")
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
	case strings.HasSuffix(name, "@name") && strings.HasPrefix(value, "@"):
		return "a name in the abstract namespace, without a file"
	}
	return ""
}
