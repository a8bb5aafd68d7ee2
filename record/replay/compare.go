package replay

import (
	"slices"
)

// A span is part of a text that is ignored.
type span struct{ from, to int }

// ignored finds what the patterns match, in order and without overlaps.
func ignored(patterns []*Pattern, b []byte) []span {
	var all []span
	for _, p := range patterns {
		for _, at := range p.find(b) {
			if at[1] > at[0] {
				all = append(all, span{at[0], at[1]})
			}
		}
	}
	slices.SortFunc(all, func(a, b span) int { return a.from - b.from })
	merged := all[:0]
	for _, s := range all {
		if last := len(merged) - 1; last >= 0 && s.from < merged[last].to {
			merged[last].to = max(merged[last].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// agreement is how far two texts agree.
type agreement struct {
	want, got int // bytes of either

	// sure is how far they agree whatever comes yet: what is ignored may reach further in
	// what came once there is more of it.
	sure struct{ want, got int }
}

// agree compares what came with what was recorded, up to the first difference or the end
// of either. Where what is ignored of the one begins, what is ignored of the other must.
func agree(want, got []byte, w, g []span) (a agreement) {
	for a.want < len(want) && a.got < len(got) {
		inWant, inGot := len(w) > 0 && w[0].from == a.want, len(g) > 0 && g[0].from == a.got
		switch {
		case inWant != inGot:
			return a
		case inWant:
			a.want, a.got = w[0].to, g[0].to
			w, g = w[1:], g[1:]
			continue
		}
		n := min(until(w, a.want, len(want)), until(g, a.got, len(got)))
		same := samePrefix(want[a.want:a.want+n], got[a.got:a.got+n])
		a.want, a.got = a.want+same, a.got+same
		if same > 0 {
			a.sure.want, a.sure.got = a.want, a.got
		}
		if same < n {
			return a
		}
	}
	return a
}

// A comparison compares a stream with a text that was recorded, as it comes. What agrees is
// forgotten, so that it takes no longer for a long one.
type comparison struct {
	ignore []*Pattern
	want   []byte
	spans  []span // of want
	at     int    // up to where want agrees
	got    []byte // what came since
	passed int    // bytes that came and agree
	tail   []byte // the last of what agrees of what came, to show
}

func newComparison(ignore []*Pattern, want, got []byte) *comparison {
	return &comparison{ignore: ignore, want: want, spans: ignored(ignore, want), got: got}
}

// A verdict says what a comparison knows so far.
type verdict uint8

const (
	undecided verdict = iota // more has to come
	complete
	open // complete, unless what is ignored goes on in what comes yet
	differs
)

// look compares what came. last is set where nothing is expected to come for now.
func (c *comparison) look(last bool) verdict {
	g := ignored(c.ignore, c.got)
	w := make([]span, len(c.spans))
	for i, s := range c.spans {
		w[i] = span{s.from - c.at, s.to - c.at}
	}
	a := agree(c.want[c.at:], c.got, w, g)
	all, more := c.at+a.want == len(c.want), a.got == len(c.got)
	if last || all && !more {
		a.sure.want, a.sure.got = a.want, a.got
	}
	c.advance(a.sure.want, a.sure.got)
	switch {
	case c.at == len(c.want):
		return complete
	case all:
		return open
	case more:
		return undecided
	}
	return differs
}

// advance forgets what agrees.
func (c *comparison) advance(want, got int) {
	c.at += want
	c.passed += got
	c.tail = append(c.tail, c.got[max(0, got-keptBefore):got]...)
	c.tail = c.tail[max(0, len(c.tail)-keptBefore):]
	c.got = c.got[got:]
	for len(c.spans) > 0 && c.spans[0].from < c.at {
		c.spans = c.spans[1:]
	}
}

// until is how many bytes there are before the next span, or the end.
func until(spans []span, at, end int) int {
	if len(spans) > 0 {
		end = spans[0].from
	}
	return end - at
}

func samePrefix(a, b []byte) int {
	const step = 256 // compared at once
	n := 0
	for n+step <= len(a) && string(a[n:n+step]) == string(b[n:n+step]) {
		n += step
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
