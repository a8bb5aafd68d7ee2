package address

import (
	"strings"

	"zocalo/socket/option"
)

const (
	listenSuffix  = "-listen"
	connectSuffix = "-connect"
	flagOn        = "1"
)

// suffixes are the words after a scheme that name its side.
var suffixes = []struct {
	text   string
	listen bool
}{{listenSuffix, true}, {connectSuffix, false}, {"-l", true}}

// Parse reads an address. It checks all that needs no look-up: the scheme,
// every option with its value, and, where the address itself says its side,
// whether scheme and options have that side. Errors are [*SyntaxError],
// [*UnknownSchemeError], [*UnknownOptionError], [*OptionError], [*SideError]
// and, for a scheme of a package that the program does not import,
// [*socket.UnsupportedError].
func Parse(text string) (Address, error) {
	if err := twoSides(text); err != nil {
		return Address{}, err
	}
	fields := respell(Split(text))
	a, err := parseHead(fields[0])
	if err != nil {
		return Address{}, err
	}
	for _, f := range fields[1:] {
		if err := a.add(f); err != nil {
			if e, ok := err.(*SyntaxError); ok {
				e.Text = text
			}
			return Address{}, err
		}
	}
	if err := a.contradiction(); err != nil {
		return Address{}, err
	}
	if passive, known := a.side(); known {
		if _, err := a.Target(passive); err != nil {
			return Address{}, err
		}
	}
	return a, nil
}

// Split undoes [Escape]: it cuts the text of an address at its lone commas, into the
// endpoint with its scheme and the options, and makes one comma of each two others. It
// returns at least one field.
func Split(text string) []string {
	var fields []string
	var b strings.Builder
	for {
		i := strings.IndexByte(text, ',')
		if i < 0 {
			b.WriteString(text)
			return append(fields, b.String())
		}
		b.WriteString(text[:i])
		if strings.HasPrefix(text[i:], ",,") {
			b.WriteByte(',')
			text = text[i+2:]
			continue
		}
		fields = append(fields, b.String())
		b.Reset()
		text = text[i+1:]
	}
}

// parseHead reads SCHEME:ENDPOINT.
func parseHead(head string) (Address, error) {
	word, endpoint, colon := strings.Cut(head, ":")
	a, known, err := lookup(word)
	switch {
	case err != nil:
		return a, err
	case known:
	case head == "":
		return a, &SyntaxError{head, "it is empty: write SCHEME:ENDPOINT, such as tcp:127.0.0.1:5346"}
	case !colon && guess(head) != "":
		return a, &SyntaxError{head, "it has no scheme: did you mean " + guess(head) + "?"}
	default:
		return a, unknownScheme(word, head)
	}
	if !colon && a.Scheme.Name == "pipe" { // socat's is one without a name
		return a, &SyntaxError{head, "it has no endpoint: write pipe:path, or use 'zocalo echo ADDRESS' to send everything back"}
	}
	if !colon && a.Scheme.Endpoint != "" {
		return a, &SyntaxError{head, "it has no endpoint: write " + a.word() + ":" + a.Scheme.Endpoint}
	}
	if a.Scheme.Layers != nil || a.Scheme.Prepare != nil {
		a.memo = &memo{made: map[any]any{}}
	}
	a.Endpoint = strings.TrimPrefix(endpoint, "//")
	if a.Scheme.Endpoint == "" && a.Endpoint != "" {
		return a, &SyntaxError{head, a.Scheme.Name + " takes no endpoint: write " + a.word() + " alone"}
	}
	return a, a.takeEndpoint()
}

// lookup finds the scheme of a word, with its side. An error is one of the
// layers in it.
func lookup(word string) (a Address, known bool, err error) {
	word = strings.ToLower(word)
	if noScheme[word] != "" { // though a layer may be called so, as that of proxy-listen:
		return a, false, nil
	}
	base, listen, sided := cutSide(word)
	if a.Scheme, err = schemeOf(word); a.Scheme != nil || !sided {
		return a, a.Scheme != nil, err
	}
	a.Scheme, err = schemeOf(base)
	known = a.Scheme != nil
	a.Listen, a.Connect = known && listen, known && !listen
	return a, known, err
}

// cutSide takes the side off a scheme's word, which is in lower case.
func cutSide(word string) (base string, listen, sided bool) {
	for _, s := range suffixes {
		if base, ok := strings.CutSuffix(word, s.text); ok {
			return base, s.listen, true
		}
	}
	return word, false, false
}

// add reads one OPTION[=VALUE].
func (a *Address) add(field string) error {
	name, text, hasValue := strings.Cut(field, "=")
	if name == "" {
		return &SyntaxError{Problem: "an option name is missing after a comma; a comma itself is written ,,"}
	}
	spec, err := Lookup(a.Scheme, name)
	if err != nil {
		switch ours, dropped := respelled(a.Scheme, strings.ToLower(name), text); {
		case dropped:
			return nil
		case ours != "":
			return a.add(ours)
		}
		return err
	}
	switch {
	case !hasValue && spec.Value != "":
		return &OptionError{spec.Name, a.Scheme.Name, "it needs a value: write " + spec.Name + "=" + spec.Value}
	case !hasValue:
		text = flagOn
	}
	value, err := spec.Parse(text)
	if err != nil {
		return &OptionError{spec.Name, a.Scheme.Name, err.Error()}
	}
	times := 0
	for _, s := range a.Settings {
		if s.Spec != spec {
			continue
		}
		if times++; spec.Repeatable || times < a.places(spec) {
			continue
		}
		if had, has := spec.Format(s.Value), spec.Format(value); had != has {
			return &OptionError{spec.Name, a.Scheme.Name, "it is given twice, as " + quote(had) + " and " + quote(has) + ": omit one"}
		}
		return nil
	}
	a.Settings = append(a.Settings, option.Setting{Spec: spec, Value: value})
	return nil
}

// contradiction finds options that deny each other.
func (a Address) contradiction() error {
	once, first := Once.In(a.Settings)
	fork, second := Fork.In(a.Settings)
	if first && second && once == fork {
		return &OptionError{Once.Name, a.Scheme.Name, "it is the opposite of fork: omit one"}
	}
	return nil
}
