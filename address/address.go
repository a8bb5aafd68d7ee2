package address

import (
	"strings"

	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// An Address is a parsed text of the address language. The zero Address is
// none, and only prints itself, as "".
type Address struct {
	Scheme *scheme.Scheme

	// Listen and Connect say that the address names its side, by -listen or
	// -connect; at most one of them is set. With neither, the verb decides.
	Listen, Connect bool

	Endpoint string

	// Settings are the options given, each once, in the order given.
	Settings option.Settings

	memo *memo // of an address with layers, or a scheme that prepares something
}

// String returns the address as Parse reads it: scheme and options under
// their first names, values as their options print them, and *** for those that may be
// secrets. An address that Parse returned is equal to what Parse makes of its String,
// unless it has such a value.
func (a Address) String() string {
	if a.Scheme == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(a.word())
	if a.Endpoint != "" || a.Scheme.Endpoint != "" {
		b.WriteByte(':')
	}
	if strings.HasPrefix(a.Endpoint, "//") {
		b.WriteString("//")
	}
	b.WriteString(escape(a.Endpoint))
	for _, s := range a.Settings {
		if s.Default { // nobody wrote it
			continue
		}
		b.WriteByte(',')
		b.WriteString(assignment(a.Scheme, s.Spec, s.Text()))
	}
	return b.String()
}

// MarshalText returns String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is Parse; "" is the zero Address.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err == nil {
		*a = parsed
	}
	return err
}

// word returns the scheme and the side, as before the colon.
func (a Address) word() string {
	switch {
	case a.Listen:
		return a.Scheme.Name + listenSuffix
	case a.Connect:
		return a.Scheme.Name + connectSuffix
	}
	return a.Scheme.Name
}

// assignment writes an option and its value; a flag that is on by its name
// alone.
func assignment(scheme *scheme.Scheme, s *option.Spec, value string) string {
	name := qualified(scheme, s)
	if s.Value == "" && value == flagOn {
		return name
	}
	return name + "=" + escape(value)
}

// Escape returns text as it is written in the endpoint of an address or the value of
// an option: with its commas doubled, so that none of it is read as an option. What
// it makes of text that somebody else has written is still whatever the scheme makes
// of it: a path, a host, or a command.
func Escape(text string) string { return escape(text) }

func escape(text string) string { return strings.ReplaceAll(text, ",", ",,") }

// Passive returns which side the address has under a verb that makes its
// addresses passive, or not, unless they say otherwise.
func (a Address) Passive(verb bool) bool {
	passive, known := a.side()
	if known {
		return passive
	}
	return verb
}

// side returns the side of the address, if anything in it says so.
func (a Address) side() (passive, known bool) {
	switch {
	case a.Listen:
		return true, true
	case a.Connect:
		return false, true
	case a.Scheme != nil && a.Scheme.NoListen:
		return false, true
	case a.Scheme != nil && a.Scheme.NoDial:
		return true, true
	}
	return false, false
}

// Target returns what the address asks of its scheme on the given side. It
// is a [SideError] if the address says or can have only the other side, and
// an [OptionError] if one of its options belongs to the other side. The
// passive side's bind= is joined to the endpoint here, so that only whoever
// connects has to look at [Bind]; and the scheme's defaults are among the
// settings.
func (a Address) Target(passive bool) (scheme.Target, error) {
	t := scheme.Target{Endpoint: a.Endpoint, Passive: passive, Settings: a.Settings}
	if a.Scheme == nil {
		return t, &SyntaxError{Problem: "it is empty: write SCHEME:ENDPOINT, such as tcp:127.0.0.1:5346"}
	}
	if err := a.checkSide(passive); err != nil {
		return t, err
	}
	t.Settings = a.Settings.WithDefaults(a.Scheme.Defaults)
	if host, ok := Bind.In(a.Settings); ok && passive {
		var err error
		if t.Endpoint, err = a.boundEndpoint(host); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (a Address) checkSide(passive bool) error {
	s := a.Scheme
	switch {
	case passive && s.NoListen:
		return &SideError{s.Name, passive, "it can only connect"}
	case !passive && s.NoDial:
		return &SideError{s.Name, passive, "it can only listen"}
	case passive && a.Connect, !passive && a.Listen:
		return &SideError{s.Name, passive, "the address says " + a.word() + ", and here " + s.Name + " alone is wanted"}
	}
	for _, set := range a.Settings {
		switch {
		case !isOther(set.Spec.Only, passive):
		case passive:
			return &OptionError{set.Spec.Name, s.Name, "it is for the connecting side, and this address listens"}
		default:
			return &OptionError{set.Spec.Name, s.Name, "it is for the listening side" + listenHint(s)}
		}
	}
	return nil
}

// isOther reports whether only the other side takes an option.
func isOther(only option.Side, passive bool) bool {
	return passive && only == option.ActiveOnly || !passive && only == option.PassiveOnly
}

func listenHint(s *scheme.Scheme) string {
	if s.NoListen {
		return ", which " + s.Name + " does not have"
	}
	return ": omit it, or write " + s.Name + listenSuffix + ":"
}

// boundEndpoint returns the endpoint of a listener on that host.
func (a Address) boundEndpoint(host string) (string, error) {
	problem := func(text string) (string, error) {
		return "", &OptionError{Bind.Name, a.Scheme.Name, text}
	}
	port := strings.TrimPrefix(a.Endpoint, ":")
	switch {
	case !a.Scheme.Port:
		return problem("a listener is bound to its endpoint: omit bind")
	case strings.Contains(port, ":"):
		return problem("the endpoint " + quote(a.Endpoint) + " already names a host: omit one")
	case strings.Count(host, ":") == 1, strings.Contains(host, "]:"):
		return problem("a listener's port is its endpoint's: write bind=HOST alone")
	}
	return host + ":" + port, nil
}

// IsOnce reports whether the options say that a listener takes one peer and
// ends, by once or fork=0, and whether they say anything about it.
func (a Address) IsOnce() (once, given bool) {
	if once, given = Once.In(a.Settings); given {
		return once, true
	}
	fork, given := Fork.In(a.Settings)
	return given && !fork, given
}
