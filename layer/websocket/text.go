package websocket

import "unicode/utf8"

// A textCheck tells whether the pieces of a text are UTF-8, as soon as they are not.
type textCheck struct {
	rest [utf8.UTFMax]byte // of a character that is not whole yet
	n    int
}

// piece looks at the next piece.
func (c *textCheck) piece(b []byte) bool {
	for c.n > 0 && len(b) > 0 {
		c.rest[c.n] = b[0]
		c.n++
		b = b[1:]
		if whole := c.rest[:c.n]; utf8.FullRune(whole) {
			if !utf8.Valid(whole) {
				return false
			}
			c.n = 0
		}
	}
	end := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				end = len(b) - i
				c.n = copy(c.rest[:], last)
			}
			break
		}
	}
	return utf8.Valid(b[:end])
}

// end reports whether the text does not end within a character, and begins another.
func (c *textCheck) end() bool {
	whole := c.n == 0
	c.n = 0
	return whole
}
