package replay

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// A Pattern says what may differ: a regular expression of package regexp. Where it has
// an escape of a byte above 7f, as \xd0, it is of bytes, of which each is a character; else it is
// of UTF-8.
type Pattern struct {
	re    *regexp.Regexp
	bytes bool
}

// highEscape finds \x80 to \xff, or \x{80} to \x{ff}, that no backslash escapes.
var highEscape = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\x(?:[89a-fA-F][0-9a-fA-F]|\{0*[89a-fA-F][0-9a-fA-F]\})`)

// ParsePattern reads a pattern. Its errors are for people, in one line.
func ParsePattern(text string) (*Pattern, error) {
	re, err := regexp.Compile(text)
	var wrong *syntax.Error
	switch {
	case errors.As(err, &wrong) && wrong.Expr != "":
		return nil, errors.New(wrong.Code.String() + ": " + wrong.Expr)
	case err != nil:
		return nil, err
	}
	return &Pattern{re: re, bytes: highEscape.MatchString(text)}, nil
}

// find returns what it matches.
func (p *Pattern) find(b []byte) [][]int {
	if !p.bytes {
		return p.re.FindAllIndex(b, -1)
	}
	wide := make([]byte, 0, len(b)+len(b)/2)
	for _, c := range b {
		wide = utf8.AppendRune(wide, rune(c))
	}
	found := p.re.FindAllIndex(wide, -1)
	narrow, at := 0, 0 // the same place in b and in wide
	for _, f := range found {
		for i := range f {
			for at < f[i] {
				if wide[at] >= utf8.RuneSelf {
					at++
				}
				at++
				narrow++
			}
			f[i] = narrow
		}
	}
	return found
}
