package address

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"zocalo/internal/nearest"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// absent are the schemes of packages that a program imports or not, and what
// it needs to have them.
var absent = map[string]string{
	"iso":          "the package zocalo/iso, imported by the program",
	"iso-stream":   "the package zocalo/iso, imported by the program",
	"iso-dgram":    "the package zocalo/iso, imported by the program",
	"spp":          "the package zocalo/xns, imported by the program",
	"spp-stream":   "the package zocalo/xns, imported by the program",
	"idp":          "the package zocalo/xns, imported by the program",
	"quic":         "the package zocalo/layer/quic, imported by the program",
	"quic-dgram":   "the package zocalo/layer/quic, imported by the program",
	"exec":         process,
	"shell":        process,
	"system":       process,
	"pty":          process,
	"packet":       "Linux, which alone has the domain packet (AF_PACKET)",
	"packet-dgram": "Linux, which alone has the domain packet (AF_PACKET)",
}

const process = "zocalo/process.Register, called by the program"

// unknownScheme is the error of a word that no scheme has; head is what it
// begins.
func unknownScheme(word, head string) error {
	lower := strings.ToLower(word)
	base, listen, sided := cutSide(lower)
	for _, w := range []string{lower, base} {
		if needs, ok := absent[w]; ok {
			return &socket.UnsupportedError{Feature: "scheme " + w, Needs: needs}
		}
	}
	if text := instead(lower); text != "" {
		return &UnknownSchemeError{Word: word, Instead: text}
	}
	e := &UnknownSchemeError{Word: word}
	var words []string
	for _, s := range scheme.All() {
		e.Known = append(e.Known, s.Name)
		words = append(append(words, s.Name), s.Aliases...)
	}
	for w := range absent {
		words = append(words, w)
	}
	slices.Sort(words)

	e.Nearest = nearest.Word(lower, words)
	if e.Nearest == "" && sided {
		if near := nearest.Word(base, words); near != "" {
			a := Address{Scheme: &scheme.Scheme{Name: near}, Listen: listen, Connect: !listen}
			e.Nearest = a.word()
		}
	}
	if e.Nearest == "" {
		e.Nearest = guess(head)
		e.Plain = e.Nearest != ""
	}
	if e.Nearest == "" {
		e.Instead = host(word, head)
	}
	return e
}

// host says how a host is written that stands alone, or in a URL; "" for what is
// neither.
func host(word, head string) string {
	if rest, url := strings.CutPrefix(head[len(word):], "://"); url {
		name, _, _ := strings.Cut(rest, "/")
		name = name[strings.LastIndexByte(name, '@')+1:]
		if !strings.Contains(name, ":") {
			name += ":PORT"
		}
		return "zocalo opens sockets and does not speak " + strings.ToUpper(printable(word)) + ": write tcp:" + printable(name)
	}
	if _, err := strconv.ParseUint(head, 10, 64); err == nil {
		return "ports go from 0 to 65535"
	}
	if name, _, path := strings.Cut(word, "/"); (head == word || name == "localhost" || isIPv4(name)) && name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && (path || name == "localhost" || strings.Contains(name, ".")) {
		return "a host is written tcp:" + name + ":PORT"
	}
	return ""
}

func isIPv4(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && a.Is4()
}

// guess returns the address that a text without a scheme may have meant: a
// port, a host and port, or a path.
func guess(head string) string {
	scheme := guessed(head, "tcp")
	if scheme == "" {
		return ""
	}
	return scheme + ":" + printable(escape(head))
}

// guessed returns the scheme of what a text without one may have meant: that given
// for a port or a host and port, unix's for a path.
func guessed(head, scheme string) string {
	if head != "" && strings.ContainsRune("/.@", rune(head[0])) {
		unix := "unix"
		if strings.HasPrefix(scheme, "udp") {
			unix = "unix-dgram"
		}
		if strings.HasSuffix(scheme, listenSuffix) {
			unix += listenSuffix
		}
		scheme = unix
	} else {
		colon := strings.LastIndexByte(head, ':')
		for port := range strings.SplitSeq(head[colon+1:], "-") { // may be a range
			if _, err := strconv.ParseUint(port, 10, 16); err != nil {
				return ""
			}
		}
		if host := head[:max(colon, 0)]; strings.Contains(host, ":") {
			if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil {
				return ""
			}
		}
	}
	if _, known, _ := lookup(scheme); !known {
		return ""
	}
	return scheme
}

// Plain returns the address that a text without a scheme plainly means: a port
// or HOST:PORT is of the scheme given, as "tcp-listen", and a path of unix. It is ""
// for any other text: one that has a scheme, or may be meant for one.
func Plain(text, scheme string) string {
	_, err := Parse(text)
	var unknown *UnknownSchemeError
	var syntax *SyntaxError
	if errors.As(err, &unknown) && !unknown.Plain || !errors.As(err, &unknown) && !errors.As(err, &syntax) {
		return ""
	}
	head := Split(text)[0]
	word, _, _ := strings.Cut(head, ":")
	if _, known, _ := lookup(word); known || strings.Contains(word, "+") && !strings.Contains(word, "/") {
		return "" // no host has a +
	}
	if scheme = guessed(head, scheme); scheme == "" {
		return ""
	}
	return scheme + ":" + text
}

// mostNear is how many words that may have been meant are named.
const mostNear = 3

// unknownOption is the error of a word that no option of the scheme has.
func unknownOption(s *scheme.Scheme, word string) error {
	name := strings.ToLower(word)
	if text := noOption[name]; text != "" {
		return &OptionError{name, s.Name, text}
	}
	e := &UnknownOptionError{Word: word, Scheme: s.Name}
	var words []string
	for _, spec := range Options(s) {
		e.Known = append(e.Known, spec.Name)
		words = append(append(words, spec.Name), spec.Aliases...)
	}
	slices.Sort(e.Known)
	slices.Sort(words)
	for _, other := range scheme.All() {
		if find(other.Options, name) != nil {
			e.Takers = append(e.Takers, other.Name)
		}
	}
	for _, l := range scheme.Layers() {
		if find(l.Options, name) != nil && !slices.Contains(s.Layers, l) {
			e.Takers = append(e.Takers, l.Name)
		}
	}
	e.Nearest = strings.Join(nearest.Words(name, words, mostNear), " or ")
	return e
}
