package main

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Only ~. at the beginning of a line ends, and nothing is lost of what is none.
func TestEscape(t *testing.T) {
	for typed, want := range map[string]string{
		"ls\r":          "ls\r",
		"a~.b":          "a~.b",
		"~.x":           "",
		"ls\r~.more":    "ls\r",
		"ls\n~.":        "ls\n",
		"~~.":           "~.",
		"ls\r~~/x\r":    "ls\r~/x\r",
		"~/bin\r":       "~/bin\r",
		"\r~x~.\r~\r~.": "\r~x~.\r~\r",
		"\x03\x04":      "\x03\x04",
		"ls\r~":         "ls\r~",
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(typed), "bytes": iotest.OneByteReader(strings.NewReader(typed))} {
			ended := false
			got, err := io.ReadAll(&escapeReader{r: r, begins: true, end: func() { ended = true }})
			if string(got) != want || err != nil || ended != (len(want) < len(typed) && strings.Contains(typed, "~.") && !strings.Contains(typed, "~~.")) {
				t.Errorf("%s: %q becomes %q, %v, ended %v; want %q", name, typed, got, err, ended, want)
			}
		}
	}
}
