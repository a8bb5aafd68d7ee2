package address

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"zocalo/internal/nearest"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// absentLayers are those of packages that a program imports or not.
var absentLayers = map[string]string{
	"pp":        "the package zocalo/layer/proxyproto, imported by the program",
	"sni":       "the package zocalo/layer/sni, imported by the program",
	"tls":       "the package zocalo/layer/tls, imported by the program",
	"socks":     "the package zocalo/layer/socks, imported by the program",
	"socks4":    "the package zocalo/layer/socks, imported by the program",
	"socks4a":   "the package zocalo/layer/socks, imported by the program",
	"socks5":    "the package zocalo/layer/socks, imported by the program",
	"connect":   "the package zocalo/layer/connect, imported by the program",
	"proxy":     "the package zocalo/layer/proxy, imported by the program",
	"ws":        "the package zocalo/layer/websocket, imported by the program",
	"wss":       "the package zocalo/layer/websocket, imported by the program",
	"ws-stream": "the package zocalo/layer/websocket, imported by the program",
}

// stacks are the schemes with layers that were read, by their words: each is made
// once.
var stacks sync.Map

// SchemeOf returns the scheme of a word, which may be a stack of layers, as tls+tcp; nil
// for a word that is neither.
func SchemeOf(word string) (*scheme.Scheme, error) { return schemeOf(strings.ToLower(word)) }

// schemeOf returns the scheme of a word without its side: one by itself, a stack
// of layers over one, as tls+tcp, or the short name of such. It is nil for
// any other word.
func schemeOf(word string) (*scheme.Scheme, error) {
	if s, known := scheme.Lookup(word); known {
		return s, nil
	}
	if s, made := stacks.Load(word); made {
		return s.(*scheme.Scheme), nil
	}
	words := strings.Split(word, "+")
	for i, w := range words {
		if several := scheme.LookupStack(w); several != "" {
			words[i] = several
		}
	}
	words = strings.Split(strings.Join(words, "+"), "+")
	last := len(words) - 1
	if l, known := scheme.LookupLayer(words[last]); known {
		if l.Short == "" {
			return nil, &scheme.LayerError{Layer: l.Name, Err: fmt.Errorf("write what it goes over: %s+tcp:ENDPOINT", l.Name)}
		}
		words[last] = l.Name
		words = append(words, strings.Split(l.Short, "+")...)
		last = len(words) - 1
	} else if needs, absent := absentLayers[words[last]]; absent {
		return nil, &socket.UnsupportedError{Feature: "layer " + words[last], Needs: needs}
	}
	if last == 0 {
		return nil, nil
	}
	carrier, known := scheme.Lookup(words[last])
	switch {
	case words[last] == "":
		for _, w := range words[:last] {
			if _, err := layerOf(w); err != nil {
				return nil, err
			}
		}
		return nil, &SyntaxError{word, fmt.Sprintf("what carries the layers is missing: write %stcp:", word)}
	case !known:
		return nil, unknownScheme(words[last], words[last])
	}
	var layers []*scheme.Layer
	for _, w := range words[:last] {
		l, err := layerOf(w)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	s, err := scheme.Stack(layers, carrier)
	if err != nil {
		return nil, err
	}
	one, _ := stacks.LoadOrStore(word, s)
	return one.(*scheme.Scheme), nil
}

// layerOf returns the layer of a word.
func layerOf(word string) (*scheme.Layer, error) {
	if l, known := scheme.LookupLayer(word); known {
		return l, nil
	}
	if needs, absent := absentLayers[word]; absent {
		return nil, &socket.UnsupportedError{Feature: "layer " + word, Needs: needs}
	}
	_, carries := scheme.Lookup(word)
	before, passive := strings.CutSuffix(word, "-listen")
	switch {
	case word == "":
		return nil, &SyntaxError{"+", "a layer is missing before it: write LAYER+tcp:, such as tls+tcp:"}
	case carries:
		return nil, &SyntaxError{word, "it is not a layer: layers come first, and what carries them last, as in tls+tcp:"}
	case passive:
		return nil, &SyntaxError{word, fmt.Sprintf("-listen comes last: write %s+tcp-listen:", before)}
	}
	e := &UnknownSchemeError{Word: word, Layer: true}
	for _, l := range scheme.Layers() {
		e.Known = append(e.Known, l.Name)
	}
	e.Nearest = nearest.Word(word, e.Known)
	return nil, e
}

// takeEndpoint has the layers take what is theirs off the endpoint, and adds it as options.
func (a *Address) takeEndpoint() error {
	for i, l := range slices.Backward(a.Scheme.Layers) {
		if l.Endpoint == nil {
			continue
		}
		rest, options, err := l.Endpoint(a.Scheme.Layers[i+1:], a.Scheme.Carrier, a.Endpoint)
		if err != nil {
			return &SyntaxError{a.word() + ":...", err.Error()} // there may be a password in it
		}
		a.Endpoint = rest
		for _, o := range options {
			if err := a.add(l.Name + "." + o); err != nil {
				return err
			}
		}
	}
	return nil
}

// optionsOf returns the options of one layer of a stack, or of its carrier.
func optionsOf(s *scheme.Scheme, owner string) []*option.Spec {
	for _, l := range s.Layers {
		if l.Name == owner || slices.Contains(l.Aliases, owner) {
			return l.Options
		}
	}
	if s.Carrier != nil && (s.Carrier.Name == owner || slices.Contains(s.Carrier.Aliases, owner)) {
		return Options(s.Carrier)
	}
	return nil
}

// owners names who has an option of that name in a stack.
func owners(s *scheme.Scheme, name string) (names []string) {
	for i, l := range s.Layers {
		if !slices.Contains(s.Layers[:i], l) && find(l.Options, name) != nil {
			names = append(names, l.Name)
		}
	}
	if s.Carrier != nil && find(Options(s.Carrier), name) != nil {
		names = append(names, s.Carrier.Name)
	}
	return names
}

// ambiguous is an error where several have an option of that name.
func ambiguous(s *scheme.Scheme, spec *option.Spec, name string) error {
	names := owners(s, name)
	if len(names) < 2 {
		return nil
	}
	for i, n := range names {
		names[i] = n + "." + name + "="
	}
	return &OptionError{name, s.Name, "several have one of that name: write " + strings.Join(names, " or ")}
}

// qualified is the name of an option as an address of the scheme must write it.
func qualified(s *scheme.Scheme, spec *option.Spec) string {
	if len(owners(s, spec.Name)) < 2 {
		return spec.Name
	}
	for _, l := range s.Layers {
		if slices.Contains(l.Options, spec) {
			return l.Name + "." + spec.Name
		}
	}
	return s.Carrier.Name + "." + spec.Name
}

// places is how many of the address's layers take an option, at least one: so
// often it may be given, in the order of the layers, that nearest the socket
// first.
func (a *Address) places(spec *option.Spec) int {
	n := 0
	for _, l := range a.Scheme.Layers {
		if slices.Contains(l.Options, spec) {
			n++
		}
	}
	return max(n, 1)
}

// LayerSettings returns what the address gives to its layer of that index in
// Scheme.Layers. Of a layer that is there several times, each has the values that
// stand at its place, counted from the socket outward.
func (a Address) LayerSettings(index int) option.Settings {
	l := a.Scheme.Layers[index]
	place, times := 0, 0
	for i, other := range a.Scheme.Layers {
		if other == l {
			times++
			if i > index {
				place++
			}
		}
	}
	var own option.Settings
	seen := map[*option.Spec]int{}
	for _, s := range a.Settings {
		if !slices.Contains(l.Options, s.Spec) {
			continue
		}
		if times == 1 || seen[s.Spec] == place {
			own = append(own, s)
		}
		seen[s.Spec]++
	}
	return own
}

// A memo is what was made of an address once.
type memo struct {
	mu   sync.Mutex
	made map[any]any
}

// Once returns what make returned the first time that it was called for that key
// of the address or of a copy, and calls it if that was never or an error. It is
// for whoever opens addresses: the keys of layers are loaded once.
func (a Address) Once(key any, make func() (any, error)) (any, error) {
	if a.memo == nil {
		return make()
	}
	a.memo.mu.Lock()
	defer a.memo.mu.Unlock()
	if v, made := a.memo.made[key]; made {
		return v, nil
	}
	v, err := make()
	if err == nil {
		a.memo.made[key] = v
	}
	return v, err
}
