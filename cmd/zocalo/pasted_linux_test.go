package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
)

// A pasted is a block of commands of a page, with what the page shows of its output.
type pasted struct {
	topic, commands string
	shown           []string
}

// pageBlocks are the blocks of commands of a page.
func pageBlocks(t *testing.T, name string) (blocks []pasted) {
	topic := ""
	for _, m := range regexp.MustCompile("(?ms)^### ([^\n]+)$|^```(sh|text)\n(.*?)\n```$").FindAllStringSubmatch(readPage(t, name), -1) {
		switch {
		case m[1] != "":
			topic = m[1]
		case m[2] == "sh":
			blocks = append(blocks, pasted{topic: topic, commands: m[3]})
		default:
			blocks[len(blocks)-1].shown = strings.Split(m[3], "\n")
		}
	}
	return blocks
}

// pastePatience is how long the commands of a block may take. Some measure, and one
// is compiled first.
const pastePatience = 5 * time.Minute

var (
	figures   = regexp.MustCompile(`[0-9]+`)
	pasteMark = regexp.MustCompile("\x1b\\[(\\?2004[hl]|[0-9;]*m)|\r") // of the shell's line editor, and colours
)

// The blocks of the page on sockets, pasted whole into one shell on a terminal, do and
// print what the page says. Only benchmarks are made shorter.
func TestPastedPage(t *testing.T) {
	testenv.Program(t, "bash")
	testenv.Program(t, "timeout")
	if testing.Short() {
		t.Skip("runs every command of a page, half a minute")
	}
	isolate(t) // the page's ports are its own
	root, err := filepath.Abs("../..")
	must(t, err)
	d := sitsAt(t, "bash", "--norc", "-c", fmt.Sprintf(`cd %q
		zocalo() { case "$* " in *--serve*) command zocalo "$@";; bench*) command zocalo "$@" -t 20ms;; *) command zocalo "$@";; esac; }
		export -f zocalo; export PS1='$ '; exec bash --norc -i`, root))
	for i, b := range pageBlocks(t, "docs/sockets.md") {
		before := len(d.String())
		d.types(t, b.commands+"\n")
		d.types(t, fmt.Sprintf("echo block %d'' has $(jobs | wc -l) jobs\n", i))
		over := regexp.MustCompile(fmt.Sprintf(`(?s)^(.*)\nblock %d has (\d+) jobs`, i))
		var m []string
		for end := time.Now().Add(pastePatience); m == nil; time.Sleep(5 * time.Millisecond) {
			if m = over.FindStringSubmatch(pasteMark.ReplaceAllString(d.String()[before:], "")); m == nil && time.Now().After(end) {
				t.Fatalf("%s: it does not end:\n%s\nprinted %s", b.topic, b.commands, d.String()[before:])
			}
		}
		if m[2] != "0" {
			t.Errorf("%s: %s jobs are left of:\n%s", b.topic, m[2], b.commands)
		}
		rest := m[1]
		for _, line := range b.shown {
			pattern := "(?m)^(?:\\$ )*" + strings.ReplaceAll(figures.ReplaceAllString(regexp.QuoteMeta(line), "[0-9]+"), " ", " +") + "$"
			at := regexp.MustCompile(strings.ReplaceAll(pattern, " + +", " +")).FindStringIndex(rest)
			if at == nil {
				t.Errorf("%s: no %q in what came of:\n%s\n%s", b.topic, line, b.commands, m[1])
				break
			}
			rest = rest[at[1]:]
		}
	}
}

// Both languages of the page have the same commands and show the same, but for comments.
func TestPastedLanguages(t *testing.T) {
	comment := regexp.MustCompile(`(?m) +# .*$`)
	strip := func(b pasted) string {
		return comment.ReplaceAllString(b.commands, "") + "\n" + strings.Join(b.shown, "\n")
	}
	english, spanish := pageBlocks(t, "docs/sockets.md"), pageBlocks(t, "docs/sockets.es.md")
	if len(english) < topics || !slices.EqualFunc(english, spanish, func(a, b pasted) bool { return strip(a) == strip(b) }) {
		for i := range min(len(english), len(spanish)) {
			if strip(english[i]) != strip(spanish[i]) {
				t.Errorf("%s: %s\n%s: %s", english[i].topic, strip(english[i]), spanish[i].topic, strip(spanish[i]))
			}
		}
		t.Errorf("%d and %d blocks", len(english), len(spanish))
	}
}
