package address

import (
	"slices"
	"strconv"
	"strings"

	"zocalo/socket"
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
	"exec":         "the package zocalo/process, imported by the program",
	"pty":          "the package zocalo/process, imported by the program",
	"packet":       "Linux, which alone has the domain packet (AF_PACKET)",
	"packet-dgram": "Linux, which alone has the domain packet (AF_PACKET)",
}

// elsewhere says how socat's words for schemes are written here, where they
// are not just another spelling.
var elsewhere = map[string]string{
	"abstract":         "unix:@NAME",
	"abstract-connect": "unix:@NAME",
	"abstract-listen":  "unix-listen:@NAME",
	"udp-recv":         "udp-listen",
	"udp-recvfrom":     "udp-listen",
	"udp-sendto":       "udp",
	"unix-recv":        "unix-dgram-listen",
	"unix-recvfrom":    "unix-dgram-listen",
	"unix-sendto":      "unix-dgram",
	"stdin":            "fd:0",
	"stdout":           "fd:1",
	"stderr":           "fd:2",
}

// optionElsewhere is the same for options.
var optionElsewhere = map[string]string{
	"sourceport": "bind=:PORT",
	"sp":         "bind=:PORT",
}

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
	e := &UnknownSchemeError{Word: word}
	var words []string
	for _, s := range socket.Schemes() {
		e.Known = append(e.Known, s.Name)
		words = append(append(words, s.Name), s.Aliases...)
	}
	for w := range absent {
		words = append(words, w)
	}
	slices.Sort(words)

	e.Nearest = elsewhere[lower]
	if e.Nearest == "" {
		e.Nearest = Nearest(lower, words)
	}
	if e.Nearest == "" && sided {
		if near := Nearest(base, words); near != "" {
			a := Address{Scheme: &socket.Scheme{Name: near}, Listen: listen, Connect: !listen}
			e.Nearest = a.word()
		}
	}
	if e.Nearest == "" {
		e.Nearest = guess(head)
	}
	return e
}

// guess returns the address that a text without a scheme may have meant: a
// port, a host and port, or a path.
func guess(head string) string {
	if _, ok := socket.LookupScheme("unix"); ok && head != "" && strings.ContainsRune("/.@", rune(head[0])) {
		return "unix:" + printable(escape(head))
	}
	port := head[strings.LastIndexByte(head, ':')+1:]
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return ""
	}
	if _, ok := socket.LookupScheme("tcp"); !ok {
		return ""
	}
	return "tcp:" + printable(escape(head))
}

// unknownOption is the error of a word that no option of the scheme has.
func unknownOption(s *socket.Scheme, word string) error {
	name := strings.ToLower(word)
	e := &UnknownOptionError{Word: word, Scheme: s.Name}
	var words []string
	for _, spec := range Options(s) {
		e.Known = append(e.Known, spec.Name)
		words = append(append(words, spec.Name), spec.Aliases...)
	}
	slices.Sort(e.Known)
	slices.Sort(words)
	for _, other := range socket.Schemes() {
		if find(other.Options, name) != nil {
			e.Takers = append(e.Takers, other.Name)
		}
	}
	if e.Nearest = optionElsewhere[name]; e.Nearest == "" {
		e.Nearest = Nearest(name, words)
	}
	return e
}
