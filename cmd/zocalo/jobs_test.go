package main

import (
	"regexp"
	"strings"
	"testing"
)

// Everyday jobs take hardly more typing than with the tools that people know for
// them, by the page's own table. TestKnownCommands sees that zocalo takes each line.
func TestJobsTyped(t *testing.T) {
	_, page, found := strings.Cut(readPage(t, "docs/from-nc-socat-ss.md"), "## Typed\n")
	if !found {
		t.Fatal("the page has no part Typed")
	}
	page, _, _ = strings.Cut(page, "\n## ")
	rows, theirs, ours := 0, 0, 0
	for _, m := range regexp.MustCompile("(?m)^\\| [^`]+ \\| `(.*)` \\| `(zocalo .*)` \\|$").FindAllStringSubmatch(page, -1) {
		rows++
		theirs += len(strings.ReplaceAll(m[1], `\|`, "|"))
		ours += len(m[2])
	}
	if rows != 23 {
		t.Errorf("%d jobs, want 23", rows)
	}
	t.Logf("%d characters of theirs, %d of ours", theirs, ours)
	if float64(ours) > 1.1*float64(theirs) {
		t.Errorf("%d characters beside %d: more than 1.1 times as many", ours, theirs)
	}
}
