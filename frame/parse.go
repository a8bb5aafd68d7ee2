package frame

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads the name of a format: lines, len16, len32, varint, netstring,
// fixed:N or chunk:N, in either case. N is 1 to MaxSize octets, in decimal, with a
// unit if wanted: B, kB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024).
// An unknown name is refused with the nearest known one and the list of all.
func Parse(text string) (Format, error) {
	name, size, hasSize := strings.Cut(strings.ToLower(text), ":")
	for k, info := range kinds {
		if k == 0 || info.name != name {
			continue
		}
		f := Format{Kind: Kind(k)}
		switch {
		case hasSize && !info.sized:
			return Format{}, fmt.Errorf("frame: format %.40q: %s takes no size: write %[2]s alone", text, name)
		case !hasSize && info.sized:
			return Format{}, fmt.Errorf("frame: format %.40q needs a size in octets: write %s:N, as %[2]s:512", text, name)
		case hasSize:
			n, ok := parseSize(size)
			if !ok {
				return Format{}, fmt.Errorf("frame: format %.40q: the size must be 1 to %d octets, as 512 or 64KiB", text, MaxSize)
			}
			f.Size = n
		}
		return f, nil
	}
	hint := ""
	if near := nearest(name); near != "" {
		hint = fmt.Sprintf("did you mean %s? ", near)
	}
	return Format{}, fmt.Errorf("frame: unknown format %.40q: %sthe formats are %s", text, hint, list())
}

// A Description says what a format is, for help texts.
type Description struct {
	Name string // as Parse reads it, with N where a size belongs: "fixed:N"
	Doc  string // one line, without a full stop
}

// Formats describes every format, in the order of the package comment.
func Formats() []Description {
	all := make([]Description, 0, len(kinds)-1)
	for _, info := range kinds[1:] {
		name := info.name
		if info.sized {
			name += ":N"
		}
		all = append(all, Description{Name: name, Doc: info.doc})
	}
	return all
}

// list names every format, for refusals.
func list() string {
	var names []string
	for _, d := range Formats() {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

var units = map[string]uint64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
}

// parseSize reads a number of octets in lower case, and reports whether it is one
// from 1 to MaxSize.
func parseSize(text string) (int, bool) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	// 32 bits, so that the product with a unit fits 64.
	n, err := strconv.ParseUint(digits, 10, 32)
	unit, known := units[text[len(digits):]]
	n *= unit
	return int(min(n, MaxSize)), err == nil && known && n >= 1 && n <= MaxSize
}

// nearest returns the format's name that the fewest edits make of word, or nothing
// where each takes more edits than half the longer of the two.
func nearest(word string) string {
	word = word[:min(len(word), 32)] // no name is nearly as long
	best, least := "", 0
	for _, info := range kinds[1:] {
		d := distance(word, info.name)
		if d > max(len(word), len(info.name))/2 || best != "" && d >= least {
			continue
		}
		best, least = info.name, d
		if info.sized {
			best += ":N"
		}
	}
	return best
}

// distance is Levenshtein's: the insertions, deletions and replacements of single
// octets that make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
