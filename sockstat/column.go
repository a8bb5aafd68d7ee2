package sockstat

import (
	"bytes"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"zocalo/internal/nearest"
	"zocalo/internal/units"
)

// A Unit says what the numbers of a column count.
type Unit uint8

// The units.
const (
	Text           Unit = iota // no number: words
	Flag                       // yes or nothing
	Count                      // a plain number
	Bytes                      // bytes
	BytesPerSecond             // bytes a second
	Duration                   // a time: whole microseconds in JSON
)

// A Column is one property of a [Socket], defined once for tables, for
// sorting, for filters and for JSON.
type Column struct {
	Name   string  // the name in --columns, the filter's word and the key in JSON
	Header string  // the heading in a table
	Doc    string  // what it is, in one line
	Unit   Unit    // what its numbers count
	Needs  Details // what a query has to gather for it

	text   func(dst []byte, s *Socket) []byte
	number func(s *Socket) (uint64, bool)
	flag   func(s *Socket) bool

	words  []string                           // all its values, where they are few
	json   func(dst []byte, s *Socket) []byte // where JSON is not simply the text or the number
	noJSON bool                               // the JSON of all columns has it in another one; alone it is an array
	key    func(dst []byte, s *Socket) []byte // where the order is not that of the text or the number
}

// Columns lists all columns, in the order in which JSON has them. The caller must not
// change them.
func Columns() []*Column { return columns }

var columns = slices.Concat(socketColumns, memoryColumns, tcpColumns)

// FindColumn finds a column by its name.
func FindColumn(name string) (*Column, error) {
	if c := findColumn(name); c != nil {
		return c, nil
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return nil, nearest.Unknown("column", name, names)
}

func findColumn(name string) *Column {
	for _, c := range columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// AppendText appends the column's value as a table shows it, safe for a
// terminal (see [Quote]). A value that is not known or makes no sense for the
// socket appends nothing.
func (c *Column) AppendText(dst []byte, s *Socket) []byte {
	switch {
	case c.number != nil:
		v, ok := c.number(s)
		if !ok {
			return dst
		}
		return appendNumber(dst, v, c.Unit)
	case c.flag != nil:
		if c.flag(s) {
			dst = append(dst, "yes"...)
		}
		return dst
	}
	n := len(dst)
	dst = c.text(dst, s)
	if len(dst) > n && !plain(dst[n:]) {
		raw := string(dst[n:])
		dst = strconv.AppendQuote(dst[:n], raw)
	}
	return dst
}

// Text is the value as a table shows it, "" for none.
func (c *Column) Text(s *Socket) string { return string(c.AppendText(nil, s)) }

// Compare orders two sockets by the column: numbers by size, names by
// address and port, all else by its text. What is not known comes first.
func (c *Column) Compare(a, b *Socket) int {
	var ka, kb [64]byte
	return bytes.Compare(c.AppendKey(ka[:0], a), c.AppendKey(kb[:0], b))
}

// AppendJSON appends the column's value as JSON, nothing where there is none. "pid", "fd" and "peer_pid", which
// [Socket.AppendJSON] has inside "process" and "peer_process", are arrays of numbers, and "path", which
// it has inside "command", is one of strings.
func (c *Column) AppendJSON(dst []byte, s *Socket) []byte {
	switch {
	case c.json != nil:
		return c.json(dst, s)
	case c.noJSON: // numbers with commas between
		n := len(dst)
		if dst = c.text(append(dst, '['), s); len(dst) == n+1 {
			return dst[:n]
		}
		return append(dst, ']')
	case c.number != nil:
		if v, ok := c.number(s); ok {
			dst = strconv.AppendUint(dst, v, 10)
		}
		return dst
	case c.flag != nil:
		if c.flag(s) {
			dst = append(dst, "true"...)
		}
		return dst
	}
	// The text is written in place, and written anew where it was not fit for JSON.
	n := len(dst)
	dst = c.text(append(dst, '"'), s)
	switch text := dst[n+1:]; {
	case len(text) == 0:
		return dst[:n]
	case plain(text):
		return append(dst, '"')
	default:
		return AppendJSONString(dst[:n], string(text))
	}
}

// MarshalJSON makes one JSON object of a socket. Its keys are the names of the
// [Columns], in their order; a key without a value is left out. Numbers
// are in the column's unit, durations in whole microseconds; flags are true or left out.
// "process" and "peer_process" are arrays of {"name", "pid", "fd"}, "command" is one of {"pid", "path", "args"}. A name that is not UTF-8
// is given as [Quote] gives it.
func (s *Socket) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON makes.
func (s *Socket) AppendJSON(dst []byte) []byte {
	start := len(dst)
	dst = s.AppendMembers(dst, jsonColumns)
	if len(dst) == start {
		return append(dst, "{}"...)
	}
	dst[start] = '{' // in place of the first member's comma
	return append(dst, '}')
}

// JSONColumns lists the columns that [Socket.AppendJSON] has, in their order. The caller must not change them.
func JSONColumns() []*Column { return jsonColumns }

var jsonColumns = slices.DeleteFunc(slices.Clone(columns), func(c *Column) bool { return c.noJSON })

// AppendMembers appends ,"name":value for each of the columns that has a value: the
// members of a JSON object.
func (s *Socket) AppendMembers(dst []byte, columns []*Column) []byte {
	for _, c := range columns {
		before := len(dst)
		dst = append(append(append(dst, ',', '"'), c.Name...), '"', ':')
		value := len(dst)
		if dst = c.AppendJSON(dst, s); len(dst) == value {
			dst = dst[:before]
		}
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends a name from outside as a JSON string. Characters that are not printable are
// escaped, so that JSON too is safe on a terminal; a name that is not UTF-8 is given as [Quote] gives it.
func AppendJSONString(dst []byte, name string) []byte {
	if !utf8.ValidString(name) {
		name = strconv.Quote(name)
	}
	dst = append(dst, '"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r > 0xffff && !strconv.IsPrint(r):
			r -= 0x10000
			dst = appendUnicode(dst, 0xd800+r>>10)
			dst = appendUnicode(dst, 0xdc00+r&0x3ff)
		case !strconv.IsPrint(r):
			dst = appendUnicode(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

func appendUnicode(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

func appendNumber(dst []byte, v uint64, u Unit) []byte {
	switch u {
	case Duration:
		return append(dst, units.Word(time.Duration(v)*time.Microsecond)...)
	case BytesPerSecond: // in bits, of which rates are made
		return append(dst, units.RateWord(8*float64(v))...)
	}
	return strconv.AppendUint(dst, v, 10)
}
