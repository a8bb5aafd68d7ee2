package frame

import (
	"fmt"
	"strings"

	"zocalo/address"
	"zocalo/socket"
)

// Parse reads the name of a format: lines, len16, len32, varint, netstring,
// fixed:N or chunk:N, in either case. N is 1 to MaxSize octets, in decimal, with a
// unit if wanted, as socket.ParseSize reads it.
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
			n, err := socket.ParseSize(size)
			if err != nil || n < 1 || n > MaxSize {
				return Format{}, fmt.Errorf("frame: format %.40q: the size must be 1 to %d octets, as 512 or 64KiB", text, MaxSize)
			}
			f.Size = int(n)
		}
		return f, nil
	}
	hint := ""
	if near := address.Nearest(text, list()); near != "" {
		hint = fmt.Sprintf("did you mean %s? ", near)
	}
	return Format{}, fmt.Errorf("frame: unknown format %.40q: %sthe formats are %s", text, hint, strings.Join(list(), ", "))
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
func list() []string {
	var names []string
	for _, d := range Formats() {
		names = append(names, d.Name)
	}
	return names
}
