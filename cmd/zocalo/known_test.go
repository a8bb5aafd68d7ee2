package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"zocalo/process"
)

// TestKnownCommands keeps the documentation true: each command of zocalo that
// docs/from-nc-socat-ss.md puts beside another's is one that zocalo takes.
func TestKnownCommands(t *testing.T) {
	commands := 0
	for line := range strings.Lines(readPage(t, "docs/from-nc-socat-ss.md")) {
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

// TestShownCommands does the same for what the pages show as typed: the lines
// of their code.
func TestShownCommands(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, page := range append(pages, "../../README.md", "../../README.es.md") {
		page = strings.TrimPrefix(filepath.ToSlash(page), "../../")
		shell := false
		for line := range strings.Lines(readPage(t, page)) {
			if strings.HasPrefix(line, "```") {
				shell = strings.HasPrefix(line, "```sh")
			} else if shell {
				line = "    " + line
			}
			for _, command := range typed(line) {
				commands++
				checkCommand(t, page, command)
			}
		}
	}
	if commands < 150 {
		t.Errorf("only %d commands were found", commands)
	}
}

// typed returns the commands of zocalo in a line of code: one that is indented,
// or has a prompt, without its redirections and remarks.
func typed(line string) (commands []string) {
	code, isCode := strings.CutPrefix(line, "    ")
	if prompted, ok := strings.CutPrefix(line, "$ "); ok {
		code, isCode = prompted, true
	}
	if !isCode {
		return nil
	}
	code, _, _ = strings.Cut(code, " #")
	for _, part := range regexp.MustCompile(` \| |[$%] `).Split(code, -1) {
		part = strings.TrimSpace(part)
		if !regexp.MustCompile(`^zocalo [a-z]`).MatchString(part) {
			continue
		}
		part = regexp.MustCompile(` +(&|[0-9]?[<>]|   ).*`).ReplaceAllString(part, "")
		commands = append(commands, strings.TrimSpace(part))
	}
	return commands
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wordsOf parts a command as a shell and then main do.
func wordsOf(t *testing.T, command string) []string {
	t.Helper()
	words, err := process.Words(command)
	if err != nil {
		t.Errorf("%s: %v", command, err)
	}
	return withoutDash(words)
}
