package main

import (
	"bufio"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A table prints rows of cells with aligned columns. On a terminal it keeps to
// the width: cells are cut. Elsewhere nothing is cut.
type table struct {
	out      *bufio.Writer
	width    int // columns of the terminal; 0 where lines may have any length
	noHeader bool
	bold     bool
	columns  []tableColumn

	line []byte
}

// A tableColumn is how one column is laid out.
type tableColumn struct {
	heading string
	right   bool // aligned to the right, as numbers are
	middle  bool // cut in the middle: both ends of a name matter

	// least is the width below which a column that may be cut is not readable any
	// more, and fair the one that it keeps while others can be left out; 0 for a
	// column that is never cut.
	least, fair int

	size  int // the width: of the widest cell, then what shrink leaves of it
	empty bool
}

// gap is between two columns.
const gap = "  "

// newTable makes a table on standard output, which out writes to.
func (l *list) newTable(out *bufio.Writer) *table {
	return &table{out: out, width: l.width(), noHeader: l.noHeader, bold: l.colours()}
}

// begin gives the columns room for their headings.
func (t *table) begin() {
	for i := range t.columns {
		c := &t.columns[i]
		c.size, c.empty = 1, true
		if !t.noHeader {
			c.size = len(c.heading)
			if c.least > 0 { // a heading is not cut
				c.least, c.fair = max(c.least, c.size), max(c.fair, c.size)
			}
		}
	}
}

// measure gives the columns room for a row.
func (t *table) measure(cells [][]byte) {
	for i := range t.columns {
		c := &t.columns[i]
		c.size = max(c.size, cellWidth(cells[i]))
		c.empty = c.empty && len(cells[i]) == 0
	}
}

// leastWidth and fairWidth are how far a column may be cut.
func (c tableColumn) leastWidth() int { return c.floor(c.least) }
func (c tableColumn) fairWidth() int  { return c.floor(c.fair) }

func (c tableColumn) floor(width int) int {
	if width == 0 {
		return c.size
	}
	return min(c.size, width)
}

// fits reports whether the table fits with its columns cut so far.
func (t *table) fits(width func(tableColumn) int) bool {
	sum := len(gap) * (len(t.columns) - 1)
	for _, c := range t.columns {
		sum += width(c)
	}
	return t.width == 0 || sum <= t.width
}

// shrink makes the table fit, as far as its columns may be cut: the widest
// first, down to what is fair before any goes down to the least.
func (t *table) shrink() {
	for _, floor := range [...]func(tableColumn) int{tableColumn.fairWidth, tableColumn.leastWidth} {
		for !t.fits(func(c tableColumn) int { return c.size }) {
			var widest *tableColumn
			for i := range t.columns {
				c := &t.columns[i]
				if c.size > floor(*c) && (widest == nil || c.size > widest.size) {
					widest = c
				}
			}
			if widest == nil {
				break
			}
			widest.size--
		}
	}
}

// header prints the headings.
func (t *table) header() error {
	if t.noHeader {
		return nil
	}
	t.line = t.line[:0]
	for i, c := range t.columns {
		t.cell(i, []byte(c.heading))
	}
	if t.bold {
		t.line = append(append([]byte("\x1b[1m"), t.line...), "\x1b[m"...)
	}
	return t.flush()
}

// row prints a row. An empty cell is a -, so that programs too can tell columns apart.
func (t *table) row(cells [][]byte) error {
	t.line = t.line[:0]
	for i, cell := range cells {
		if len(cell) == 0 {
			cell = []byte("-")
		}
		t.cell(i, cell)
	}
	return t.flush()
}

// cell appends a cell to the line.
func (t *table) cell(i int, cell []byte) {
	c := &t.columns[i]
	if i > 0 {
		t.line = append(t.line, gap...)
	}
	size := cellWidth(cell)
	if t.width > 0 && size > c.size {
		cell = cut(cell, c.size, c.middle)
		size = cellWidth(cell)
	}
	if c.right {
		t.pad(c.size - size)
	}
	t.line = append(t.line, cell...)
	if !c.right && i < len(t.columns)-1 {
		t.pad(c.size - size)
	}
}

func (t *table) pad(n int) {
	for ; n > 0; n-- {
		t.line = append(t.line, ' ')
	}
}

func (t *table) flush() error {
	t.line = append(t.line, '\n')
	_, err := t.out.Write(t.line)
	return err
}

// ellipsis stands for what was cut out of a cell; it is one column wide.
const ellipsis = "…"

// cut shortens a cell to a width: at its end, or in the middle.
func cut(cell []byte, width int, middle bool) []byte {
	runes := []rune(string(cell))
	room := width - 1
	tail := 0
	if middle {
		tail = (room + 1) / 2
	}
	head, used := 0, 0
	for ; head < len(runes) && used+runeWidth(runes[head]) <= room-tail; head++ {
		used += runeWidth(runes[head])
	}
	from := len(runes)
	for used = 0; from > head && used+runeWidth(runes[from-1]) <= tail; from-- {
		used += runeWidth(runes[from-1])
	}
	var b strings.Builder
	b.WriteString(string(runes[:head]))
	b.WriteString(ellipsis)
	b.WriteString(string(runes[from:]))
	return []byte(b.String())
}

// cellWidth is how many columns of a terminal a printable text takes.
func cellWidth(cell []byte) int {
	n := 0
	for i := 0; i < len(cell); {
		if cell[i] < utf8.RuneSelf {
			n++
			i++
			continue
		}
		r, size := utf8.DecodeRune(cell[i:])
		n += runeWidth(r)
		i += size
	}
	return n
}

// runeWidth is 0 for marks that combine with what is before them and 2 for the
// wide characters of East Asia and pictures (Unicode Standard Annex 11, by whole blocks).
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	for _, wide := range [...][2]rune{{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
		{0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}} {
		if wide[0] <= r && r <= wide[1] {
			return 2
		}
	}
	return 1
}
