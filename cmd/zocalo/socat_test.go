package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"zocalo/address"
)

// socat's address language, a word a line: explain takes most as they are, and
// answers each other one by naming our word, or why there is none.
func TestSocatWords(t *testing.T) {
	text, err := os.ReadFile("testdata/socat-words.txt")
	must(t, err)
	words, taken := strings.Fields(string(text)), 0
	for _, word := range words {
		_, err := explained(word)
		var scheme *address.UnknownSchemeError
		var option *address.UnknownOptionError
		switch {
		case err == nil:
			taken++
		case errors.As(err, &option), errors.As(err, &scheme) && scheme.Instead == "", strings.Contains(err.Error(), "did you mean"):
			t.Errorf("%s has no answer of its own: %v", word, err)
		case len(err.Error()) > 240:
			t.Errorf("%s is answered at length: %v", word, err)
		}
	}
	if taken < 250 {
		t.Errorf("%d of %d words are taken; want 250", taken, len(words))
	}
}

// The spellings for programs and terminals, and what they are here.
func TestSocatPrograms(t *testing.T) {
	for text, want := range map[string]string{
		"PTY":                                  "pty:",
		"PTY,raw,b115200,ispeed=9600":          "pty:,raw",
		"pty:,link=/tmp/tty,mode=660":          "pty:/tmp/tty,mode=0660",
		"PTY,link=/tmp/tty,group=dialout":      "pty:/tmp/tty,group=dialout",
		"EXEC:bash -li,pty,stderr,setsid,sane": "exec:bash -li,pty,stderr,setsid",
		"SYSTEM:id,su=nobody":                  "shell:id,user=nobody",
	} {
		if a, err := address.Parse(text); err != nil || a.String() != want {
			t.Errorf("%s is %v, %v; want %s", text, a, err, want)
		}
	}
}

// Two addresses in one are answered with what to write.
func TestSocatTwoSides(t *testing.T) {
	for _, text := range []string{"STDIN!!STDOUT", "-!!tcp:localhost:80", "OPEN:/x,rdonly!!CREATE:/y"} {
		from, to, _ := strings.Cut(text, "!!")
		if _, err := address.Parse(text); err == nil || !strings.Contains(err.Error(), "relay "+from+" TO") || !strings.Contains(err.Error(), "relay FROM "+to) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
