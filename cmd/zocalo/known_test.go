package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestKnownCommands keeps docs/from-nc-socat-ss.md true: each of our commands
// there is one that zocalo takes.
func TestKnownCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "from-nc-socat-ss.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, command := range regexp.MustCompile("`(zocalo [^`]+)`").FindAllStringSubmatch(line, -1) {
			commands++
			checkCommand(t, line, command[1])
		}
	}
	if commands < 60 {
		t.Errorf("only %d commands were found", commands)
	}
}
