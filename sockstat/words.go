package sockstat

import (
	"fmt"
	"strings"
)

// unknownWord is the error for a word that is not among the known ones: it
// names the nearest and lists them all.
func unknownWord(what, got string, known []string) error {
	hint := ""
	if w := nearest(got, known); w != "" {
		hint = fmt.Sprintf(": did you mean %q?", w)
	}
	return fmt.Errorf("unknown %s %q%s (known: %s)", what, got, hint, strings.Join(known, ", "))
}

// nearest is the known word that the fewest edits make of got, "" where
// none is near enough to be what was meant.
func nearest(got string, known []string) string {
	if len(got) > 64 {
		return ""
	}
	best, least := "", 1+len(got)/2
	for _, w := range known {
		if d := distance(got, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance counts the edits from a to b, two short words: an octet put in, left
// out or replaced, or two neighbours exchanged.
func distance(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	older, old, now := row(), row(), row()
	for j := range now {
		now[j] = j
	}
	for i := range len(a) {
		older, old, now = old, now, older
		now[0] = i + 1
		for j := range len(b) {
			d := old[j]
			if a[i] != b[j] {
				d = 1 + min(d, old[j+1], now[j])
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, older[j-1]+1)
			}
			now[j+1] = d
		}
	}
	return now[len(b)]
}

// wild reports whether text matches a pattern in which * and % stand for any
// number of any octets. It takes at most len(pattern)*len(text) steps.
func wild(pattern, text string) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && (pattern[p] == '*' || pattern[p] == '%'):
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && (pattern[p] == '*' || pattern[p] == '%') {
		p++
	}
	return p == len(pattern)
}
