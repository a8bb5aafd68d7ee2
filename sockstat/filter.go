package sockstat

import (
	"fmt"
	"slices"
	"strings"

	"zocalo/internal/nearest"
	"zocalo/internal/users"
)

// A Filter says which sockets are wanted. It is made by [ParseFilter]; the zero
// Filter wants all. It is not changed by use and may be shared.
type Filter struct {
	terms []term
}

// A term is one word of a filter: a key and alternatives for its value.
type term struct {
	word   string
	negate bool
	alts   []alternative
	needs  Details

	kinds, states uint32 // what kind= and state= allow, all bits for other words
}

// An alternative is one value of a term.
type alternative struct {
	match func(*Socket) bool

	// conditions say the same for internet sockets in terms that the kernel knows;
	// any of them suffices. Only where exact.
	conditions []condition
	exact      bool

	vsock bool // a port that only a vsock socket can have

	needs Details // beyond what the key needs
}

// never is an alternative that no socket with an internet name matches.
func never(match func(*Socket) bool) alternative { return alternative{match: match, exact: true} }

// ParseFilter makes a filter from words KEY=VALUE and KEY!=VALUE. A socket passes
// when every word agrees with it.
//
// A value is one or more alternatives, with commas between: port=80,443. With != none of them may
// agree; a socket that has no such property agrees with every !=.
//
// Numbers, sizes and durations may be ranges: queue=1.., rtt=..20ms, port=1024..49151. Both
// ends belong to the range. A duration is in seconds or has its unit (5, 500us, 20ms); a size may have one (64KiB, 1MB). Words may
// hold * or % for any run of characters: process=nginx%, cgroup=/system.slice/%.
//
// The keys are the names of the columns (see [Columns]) and these:
//
//	kind=tcp         kind of socket
//	state=listen     state; connected and synchronized are groups of states
//	port=443         port of either end; lport and rport for one of them
//	addr=NAME        name of either end; local=NAME, peer=NAME for one of them
//	queue=1..        either queue, of a listener that of connections; recvq and sendq for one of them
//	process=nginx    name of a process that holds the socket; pid, fd likewise
//	command=%.py%    command line of such a process, arguments with spaces between; path is its program
//	user=www-data    user, by name or number
//
// NAME is an address (10.0.0.1, ::1), a prefix (10.0.0.0/8), an address and port
// (127.0.0.1:80, [::1]:80), the words loopback and any (the unspecified address), a unix path or abstract name (/run/%, @name), or
// cid:port of a vsock socket.
//
// An unknown key or value is an error that names the nearest one known.
func ParseFilter(words []string) (Filter, error) {
	var f Filter
	for _, word := range words {
		t, err := parseTerm(word)
		if err != nil {
			return Filter{}, fmt.Errorf("filter %s: %w", Quote(word), err)
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// FilterKeys lists the keys that a filter knows.
func FilterKeys() []string {
	keys := []string{"port", "addr", "queue"}
	for _, c := range columns {
		keys = append(keys, c.Name)
	}
	return keys
}

// String gives the words again, with spaces between.
func (f Filter) String() string {
	words := make([]string, len(f.terms))
	for i, t := range f.terms {
		words[i] = t.word
	}
	return strings.Join(words, " ")
}

// Needs is what has to be gathered for the filter to decide.
func (f Filter) Needs() Details {
	var d Details
	for i := range f.terms {
		d |= f.terms[i].needs
	}
	return d
}

// VsockPort returns the first word with a port above 65535, which only a vsock socket
// can have; "" if there is none.
func (f Filter) VsockPort() string {
	for i := range f.terms {
		if slices.ContainsFunc(f.terms[i].alts, func(a alternative) bool { return a.vsock }) {
			return f.terms[i].word
		}
	}
	return ""
}

// Match reports whether the filter wants s. Details that the filter [Filter.Needs] must have been
// gathered.
func (f Filter) Match(s *Socket) bool {
	for i := range f.terms {
		if !f.terms[i].match(s) {
			return false
		}
	}
	return true
}

func (t *term) key() string {
	key, _, _ := strings.Cut(t.word, "=")
	return strings.TrimSuffix(key, "!")
}

func (t *term) match(s *Socket) bool {
	if t.kinds&(1<<s.Kind) == 0 || t.states&(1<<s.State) == 0 {
		return false
	}
	if len(t.alts) == 0 {
		return true // kind= or state=, which the masks decide
	}
	for i := range t.alts {
		if t.alts[i].match(s) {
			return !t.negate
		}
	}
	return t.negate
}

// kinds is the set of kinds that the filter may want.
func (f Filter) kinds() uint32 {
	mask := uint32(1<<kindCount - 1)
	for i := range f.terms {
		mask &= f.terms[i].kinds
	}
	return mask
}

// states is the set of states that the filter may want.
func (f Filter) states() uint32 {
	mask := uint32(1<<stateCount - 1)
	for i := range f.terms {
		mask &= f.terms[i].states
	}
	return mask
}

func parseTerm(word string) (term, error) {
	t := term{word: word, kinds: ^uint32(0), states: ^uint32(0)}
	key, value, found := strings.Cut(word, "=")
	if !found {
		return t, fmt.Errorf("a filter is KEY=VALUE or KEY!=VALUE, such as port=443")
	}
	key, t.negate = strings.CutSuffix(key, "!")
	if strings.TrimSpace(value) == "" {
		return t, fmt.Errorf("no value after %s=", Quote(key))
	}
	parse, needs, err := parserFor(key)
	if err != nil {
		return t, err
	}
	t.needs = needs
	values := strings.Split(value, ",")
	switch key {
	case "kind":
		t.kinds, err = parseMask(values, t.negate, func(v string) ([]Kind, error) {
			k, err := ParseKind(v)
			return []Kind{k}, err
		})
		return t, err
	case "state":
		t.states, err = parseMask(values, t.negate, ParseState)
		return t, err
	}
	for _, v := range values {
		a, err := parse(v)
		if err != nil {
			return t, err
		}
		t.alts = append(t.alts, a)
		t.needs |= a.needs
	}
	return t, nil
}

func parseMask[T ~uint8](values []string, negate bool, parse func(string) ([]T, error)) (uint32, error) {
	var mask uint32
	for _, v := range values {
		bits, err := parse(v)
		if err != nil {
			return 0, err
		}
		for _, b := range bits {
			mask |= 1 << b
		}
	}
	if negate {
		mask = ^mask
	}
	return mask, nil
}

type valueParser func(value string) (alternative, error)

// parserFor finds how the value of a key is read and what it needs.
func parserFor(key string) (valueParser, Details, error) {
	switch key {
	case "port":
		return portParser(bothEnds), 0, nil
	case "lport":
		return portParser(localEnd), 0, nil
	case "rport":
		return portParser(peerEnd), 0, nil
	case "addr":
		return nameParser(bothEnds), 0, nil
	case "local", "laddr":
		return nameParser(localEnd), 0, nil
	case "peer", "raddr":
		return nameParser(peerEnd), 0, nil
	case "queue":
		return parseQueue, 0, nil
	case "process":
		return holderNameParser(func(s *Socket) []Holder { return s.Holders }), Processes, nil
	case "command":
		return holderTextParser(key, func(h *Holder) string { return h.CommandLine() }), Processes | Commands, nil
	case "path":
		return holderTextParser(key, func(h *Holder) string { return h.Path }), Processes | Commands, nil
	case "peer_process":
		return holderNameParser(func(s *Socket) []Holder { return s.PeerHolders }), Processes | Peers, nil
	case "pid":
		return holderNumberParser(func(s *Socket) []Holder { return s.Holders }, func(h *Holder) int { return h.PID }), Processes, nil
	case "peer_pid":
		return holderNumberParser(func(s *Socket) []Holder { return s.PeerHolders }, func(h *Holder) int { return h.PID }), Processes | Peers, nil
	case "fd":
		return holderNumberParser(func(s *Socket) []Holder { return s.Holders }, func(h *Holder) int { return h.FD }), Processes, nil
	case "user":
		return parseUser, Users, nil
	}
	c := findColumn(key)
	if c == nil {
		return nil, 0, nearest.Unknown("key", key, FilterKeys())
	}
	switch {
	case c.number != nil:
		return numberParser(c), c.Needs, nil
	case c.flag != nil:
		return flagParser(c), c.Needs, nil
	}
	return textParser(c), c.Needs, nil
}

// numberParser reads ranges of a column's numbers.
func numberParser(c *Column) valueParser {
	return func(value string) (alternative, error) {
		r, err := parseRange(value, c.Unit)
		return alternative{match: func(s *Socket) bool {
			v, ok := c.number(s)
			return ok && r.has(v)
		}}, err
	}
}

func flagParser(c *Column) valueParser {
	return func(value string) (alternative, error) {
		switch value {
		case "yes", "no":
			return alternative{match: func(s *Socket) bool { return c.flag(s) == (value == "yes") }}, nil
		}
		return alternative{}, fmt.Errorf("%s is yes or no, not %s", c.Name, Quote(value))
	}
}

// textParser reads patterns for a column's words. A value without wildcards that
// lists several, as options does, agrees when one of them does.
func textParser(c *Column) valueParser {
	return func(value string) (alternative, error) {
		if value == "" {
			return alternative{}, fmt.Errorf("an empty alternative in %s=", c.Name)
		}
		if c.words != nil && !strings.ContainsAny(value, "*%") && !slices.Contains(c.words, value) {
			return alternative{}, nearest.Unknown(c.Name, value, c.words)
		}
		return alternative{match: func(s *Socket) bool {
			var buf [128]byte
			text := string(c.text(buf[:0], s))
			return wild(value, text) || slices.Contains(strings.Split(text, ","), value)
		}}, nil
	}
}

func parseQueue(value string) (alternative, error) {
	r, err := parseRange(value, Bytes)
	return alternative{match: func(s *Socket) bool {
		// What a listener has in place of a send queue is its backlog.
		return r.has(uint64(s.RecvQ)) || s.State != Listen && r.has(uint64(s.SendQ))
	}}, err
}

func holderNameParser(holders func(*Socket) []Holder) valueParser {
	return func(value string) (alternative, error) {
		if value == "" {
			return alternative{}, fmt.Errorf("an empty name of a process")
		}
		return alternative{match: func(s *Socket) bool {
			return slices.ContainsFunc(holders(s), func(h Holder) bool { return wild(value, h.Name) })
		}}, nil
	}
}

func holderTextParser(key string, text func(*Holder) string) valueParser {
	return func(value string) (alternative, error) {
		if value == "" {
			return alternative{}, fmt.Errorf("an empty alternative in %s=", key)
		}
		return alternative{match: func(s *Socket) bool {
			return slices.ContainsFunc(s.Holders, func(h Holder) bool { return wild(value, text(&h)) })
		}}, nil
	}
}

func holderNumberParser(holders func(*Socket) []Holder, number func(*Holder) int) valueParser {
	return func(value string) (alternative, error) {
		r, err := parseRange(value, Count)
		return alternative{match: func(s *Socket) bool {
			return slices.ContainsFunc(holders(s), func(h Holder) bool { return r.has(uint64(number(&h))) })
		}}, err
	}
}

func parseUser(value string) (alternative, error) {
	if value == "" {
		return alternative{}, fmt.Errorf("an empty name of a user")
	}
	if r, err := parseRange(value, Count); err == nil {
		return alternative{match: func(s *Socket) bool { return s.HasUID && r.has(uint64(s.UID)) }}, nil
	}
	if !strings.ContainsAny(value, "*%") {
		if _, err := users.UID(value); err != nil {
			return alternative{}, err
		}
	}
	return alternative{match: func(s *Socket) bool { return s.HasUID && wild(value, s.User) }}, nil
}
