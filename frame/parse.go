package frame

import (
	"fmt"
	"strings"

	"zocalo/codec"
	"zocalo/internal/nearest"
)

// Parse reads the name of a format: lines, len16, len32, varint, netstring,
// fixed:N or chunk:N, in either case. N is 1 to MaxSize bytes, in decimal, with a
// unit if wanted, as codec.ParseSize reads it.
// An unknown name is refused with the nearest known one, or the list of all.
func Parse(text string) (Format, error) {
	name, size, hasSize := strings.Cut(strings.ToLower(text), ":")
	for k, info := range kinds {
		if k == 0 || info.name != name {
			continue
		}
		f := Format{Kind: Kind(k)}
		switch {
		case hasSize && !info.sized:
			return Format{}, fmt.Errorf("format %.40q: %s takes no size: write %[2]s alone", text, name)
		case !hasSize && info.sized:
			return Format{}, fmt.Errorf("format %.40q needs a size in bytes: write %s:N, for example %[2]s:512", text, name)
		case hasSize:
			n, err := codec.ParseSize(size)
			if err != nil || n < 1 || n > MaxSize {
				return Format{}, fmt.Errorf("format %.40q: the size must be 1 to %d bytes, such as 512 or 64KiB", text, MaxSize)
			}
			f.Size = int(n)
		}
		return f, nil
	}
	return Format{}, nearest.Unknown("format", text, list())
}

// Codec reads and writes a Format as the value of an option or a flag.
var Codec = codec.Codec[Format]{Placeholder: "FORMAT", Parse: Parse, Format: Format.String}

// list names every format, with N where a size belongs, for refusals.
func list() []string {
	var names []string
	for _, info := range kinds[1:] {
		name := info.name
		if info.sized {
			name += ":N"
		}
		names = append(names, name)
	}
	return names
}
