package sockstat

import (
	"strconv"
	"unicode/utf8"
)

// Quote makes a name from outside safe to print on a terminal or into a log:
// the path of a unix socket, the name of a process or of a control group. A
// name of printable characters without space, quotation mark or backslash comes back as
// it is. Any other one, and the empty one, comes in double quotation marks with
// Go's escapes: "a\nb", "\x1b[31m", "bad\xff", "\u202e". What strconv.Unquote
// makes of these is the name again, byte for byte. Quote never returns a
// control character, a character that changes the direction of text, or
// invalid UTF-8.
func Quote(name string) string {
	if plain(name) {
		return name
	}
	return strconv.Quote(name)
}

// plain reports whether a name needs no quotation marks.
func plain[T string | []byte](name T) bool {
	for i := 0; i < len(name); {
		c := name[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == '"' || c == '\\' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(string(name[i:min(len(name), i+utf8.UTFMax)]))
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			return false
		}
		i += size
	}
	return len(name) > 0
}
