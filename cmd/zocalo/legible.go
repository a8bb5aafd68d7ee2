package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// legible is text as it may stand in a line for people, whoever chose it: what
// would not print, or would change how the rest is read, is written as Go
// writes it in a string.
func legible(text string) string {
	plain := func(r rune) bool { return r != utf8.RuneError && strconv.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if plain(r) {
			b.WriteString(text[:n])
		} else {
			q := strconv.Quote(text[:n])
			b.WriteString(q[1 : len(q)-1])
		}
		text = text[n:]
	}
	return b.String()
}

// legibleJSON is the same for lines of JSON, in whose strings alone there can be
// such characters: they are escaped as JSON does it.
func legibleJSON(lines []byte) []byte {
	var escaped []byte
	for i, r := range string(lines) {
		switch {
		case r == '\n' || r == utf8.RuneError || strconv.IsPrint(r):
			if escaped != nil {
				escaped = utf8.AppendRune(escaped, r)
			}
			continue
		case escaped == nil:
			escaped = append(make([]byte, 0, len(lines)+16), lines[:i]...)
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	if escaped == nil {
		return lines
	}
	return escaped
}
