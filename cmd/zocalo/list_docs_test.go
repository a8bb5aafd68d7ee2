package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"zocalo/sockstat"
)

// TestListDocs sees that docs/list.md has every column, and only commands that are understood.
func TestListDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/list.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, c := range sockstat.Columns() {
		if row := fmt.Sprintf("| `%s` | %s |\n", c.Name, c.Doc); !strings.Contains(page, row) {
			t.Errorf("docs/list.md lacks the row %s", row)
		}
	}
	commands := 0
	for line := range strings.Lines(page) {
		words, is := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "zocalo list ")
		if !is {
			continue
		}
		commands++
		checkListCommand(t, strings.Fields(words))
	}
	if commands == 0 {
		t.Error("docs/list.md shows no command")
	}
	for _, example := range strings.Split((&app{}).listVerb().Example, "\n") {
		command, _, _ := strings.Cut(example, "|")
		checkListCommand(t, strings.Fields(command)[2:])
	}
}

// checkListCommand parses the words after zocalo list as the verb does.
func checkListCommand(t *testing.T, words []string) {
	t.Helper()
	a := &app{}
	root := a.root()
	cmd, args, err := root.Find(append([]string{"list"}, words...))
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err == nil {
		_, err = parseListWords(withoutTime(cmd.Flags().Lookup("watch"), cmd.Flags().Args()))
	}
	for flag, check := range map[string]func(string) error{
		"columns": func(v string) error { _, err := chooseColumns(v, true, true); return err },
		"sort":    func(v string) error { _, err := parseOrder(v); return err },
		"group":   func(v string) error { _, err := findGroup(v); return err },
	} {
		if f := cmd.Flags().Lookup(flag); err == nil && f.Changed {
			err = check(f.Value.String())
		}
	}
	if err != nil {
		t.Errorf("zocalo list %s: %v", strings.Join(words, " "), err)
	}
}
