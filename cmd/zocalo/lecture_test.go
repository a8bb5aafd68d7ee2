package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"zocalo/address"
	"zocalo/bench/iperf3"
)

// topics is how many topics the lecture's two texts have.
const topics = 25

// TestLectureTable keeps docs/lecture.md true: it has every topic, its
// commands are some that zocalo takes, and its tests exist. Both languages
// of docs/sockets.md have every topic too.
func TestLectureTable(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "lecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	topic := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		n, err := strconv.Atoi(strings.TrimSpace(cells[0]))
		if err != nil {
			continue // a line that is no row, or the head
		}
		if topic++; n != topic || len(cells) != 4 {
			t.Fatalf("row %d is %q", topic, line)
		}
		for _, command := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			checkCommand(t, "topic "+strconv.Itoa(topic), command[1])
		}
		for _, test := range strings.Split(cells[3], ",") {
			checkTest(t, root, topic, strings.TrimSpace(test))
		}
	}
	if topic != topics {
		t.Errorf("docs/lecture.md has %d topics, and the lecture %d", topic, topics)
	}
	for _, name := range []string{"sockets.md", "sockets.es.md"} {
		text, err := os.ReadFile(filepath.Join(root, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= topics; n++ {
			if !strings.Contains(string(text), "\n### "+strconv.Itoa(n)+". ") {
				t.Errorf("docs/%s lacks topic %d", name, n)
			}
		}
	}
}

// checkCommand tells whether the verb exists, takes the flags, and whether the
// words with a colon are addresses. Where says on what row the command stands.
func checkCommand(t *testing.T, where, command string) {
	t.Helper()
	words := wordsOf(t, command)
	if len(words) < 2 || words[0] != "zocalo" {
		t.Errorf("%s: %q is no command of zocalo", where, command)
		return
	}
	a := &app{}
	verb, rest, err := a.root().Find(words[1:])
	if err != nil || !verb.HasParent() {
		t.Errorf("%s: %q: no such verb (%v)", where, command, err)
		return
	}
	if err := verb.ParseFlags(rest); err != nil {
		t.Errorf("%s: %q: %v", where, command, err)
		return
	}
	if verb.Name() == "ctl" { // whose words are names of what runs
		return
	}
	for _, word := range verb.Flags().Args() {
		if !strings.Contains(word, ":") {
			continue
		}
		var err error
		if iperf3.IsAddress(word) {
			if serve, _ := verb.Flags().GetBool("serve"); serve {
				_, _, err = iperf3.ParseServer(word)
			} else {
				_, err = iperf3.ParseClient(word)
			}
			if errors.Is(err, fs.ErrNotExist) { // the files of a page are its reader's
				err = nil
			}
		} else {
			if plain := address.Plain(word, "tcp"); plain != "" {
				word = plain
			}
			_, err = address.Parse(word)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a page's files are its readers'
			t.Errorf("%s: %q: %v", where, command, err)
		}
	}
}

// checkTest tells whether a test exists, written as its package's folder and
// its name; TestScripts/NAME is a script.
func checkTest(t *testing.T, root string, topic int, test string) {
	t.Helper()
	folder, name, ok := strings.Cut(test, " ")
	if !ok {
		t.Errorf("topic %d: %q is no test", topic, test)
		return
	}
	dir := filepath.Join(root, folder)
	if script, ok := strings.CutPrefix(name, "TestScripts/"); ok {
		if _, err := os.Stat(filepath.Join(dir, "testdata", "script", script+".txtar")); err != nil {
			t.Errorf("topic %d: %v", topic, err)
		}
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return
			}
		}
	}
	t.Errorf("topic %d: %s has no %s", topic, folder, name)
}
