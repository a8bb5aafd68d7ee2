package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// options are the sections on flags, which cobra writes with the words of Go's types.
var options = regexp.MustCompile(`(?s)\.SH OPTIONS\n.*?(\n\.SH (?:EXAMPLE|SEE ALSO)|$)`)

// manFlags writes what the pages of a verb and those beneath say of flags as their help has it.
func manFlags(t *testing.T, cmd *cobra.Command, folder string) {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			manFlags(t, sub, folder)
		}
	}
	path := filepath.Join(folder, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	page, err := os.ReadFile(path)
	must(t, err)
	var b strings.Builder
	section := func(title string, flags *pflag.FlagSet) {
		if !flags.HasAvailableFlags() {
			return
		}
		b.WriteString(".SH " + title + "\n")
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			value, usage := pflag.UnquoteUsage(f)
			name := "\\-\\-" + roff(f.Name)
			if f.Shorthand != "" {
				name = "\\-" + f.Shorthand + "\\fP, \\fB" + name
			}
			b.WriteString(".TP\n\\fB" + name + "\\fP")
			if word := typeWords[value]; word != "" {
				value = word
			}
			switch {
			case value != "" && f.NoOptDefVal != "":
				b.WriteString("[=\\fI" + roff(value) + "\\fP]")
			case value != "":
				b.WriteString(" \\fI" + roff(value) + "\\fP")
			}
			b.WriteString("\n" + roff(usage))
			switch f.DefValue {
			case "", "0", "false", "[]":
			default:
				b.WriteString(roff(" (default " + strings.Trim(f.DefValue, "[]") + ")"))
			}
			b.WriteString("\n")
		})
		b.WriteString("\n")
	}
	section("OPTIONS", cmd.NonInheritedFlags())
	section("OPTIONS OF EVERY VERB", cmd.InheritedFlags())
	made := options.ReplaceAllString(string(page), strings.ReplaceAll(strings.TrimRight(b.String(), "\n"), "$", "$$")+"\n$1")
	must(t, os.WriteFile(path, []byte(made), 0o644))
}

// TestManPages holds the manual pages against the help of the verbs. With
// -update it writes them anew.
func TestManPages(t *testing.T) {
	a := &app{}
	root := a.root()
	root.DisableAutoGenTag = true
	for _, verb := range root.Commands() { // cobra leaves their short names out
		for _, alias := range verb.Aliases {
			verb.Long += fmt.Sprintf("\n\n'zocalo %s' is short for 'zocalo %s'.", alias, verb.Name())
		}
	}
	date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	header := &doc.GenManHeader{Section: "1", Source: "zocalo " + version, Manual: "Zócalo", Date: &date}
	folder := t.TempDir()
	if *update {
		folder = "man"
		old, err := filepath.Glob("man/*.1")
		must(t, err)
		for _, page := range old {
			must(t, os.Remove(page))
		}
	}
	must(t, doc.GenManTree(root, header, folder))
	manFlags(t, root, folder)
	made, err := os.ReadDir(folder)
	must(t, err)
	kept, err := manPages.ReadDir("man")
	must(t, err)
	if len(made)+1 != len(kept) && !*update { // that of addresses besides
		t.Errorf("%d pages are kept, and the verbs make %d", len(kept)-1, len(made))
	}
	for _, entry := range made {
		if entry.Name() == addressesPage {
			continue
		}
		want, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		must(t, err)
		got, err := manPages.ReadFile("man/" + entry.Name())
		if !*update && (err != nil || string(got) != string(want)) {
			t.Errorf("man/%s is not what the verb's help says: go test ./cmd/zocalo -run TestManPages -update", entry.Name())
		}
	}
}
