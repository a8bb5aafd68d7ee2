package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"zocalo/fault"
	"zocalo/relay"
)

// Every command of relay that the pages and the help show is understood, and
// its addresses can be joined.
func TestRelayDocs(t *testing.T) {
	commands := regexp.MustCompile("zocalo (relay [^`|\n]+)")
	for _, page := range []string{"../../docs/relay.md", "../../docs/from-nc-socat-ss.md", ""} {
		text := []byte((&app{}).relayVerb().Example)
		if page != "" {
			var err error
			if text, err = os.ReadFile(page); err != nil {
				t.Fatal(err)
			}
		}
		found := 0
		for _, m := range commands.FindAllStringSubmatch(string(text), -1) {
			if words := strings.Fields(m[1]); words[1] != "FROM" {
				found++
				if err := checkRelayCommand(withoutDash(words)); err != nil {
					t.Errorf("zocalo %s: %v", m[1], err)
				}
			}
		}
		if found == 0 {
			t.Errorf("%q shows no command", page)
		}
	}
}

// checkRelayCommand does with the words of a command what the verb does, up to
// opening anything.
func checkRelayCommand(words []string) error {
	a := newApp(streams{strings.NewReader(""), io.Discard, io.Discard})
	a.logFormat, a.log = "text", slog.New(slog.DiscardHandler)
	r := &relayRun{app: a}
	cmd := r.command()
	cmd.Flags().BoolVarP(&a.verbose, "verbose", "v", false, "") // the general ones are the root's
	if err := cmd.ParseFlags(words[1:]); err != nil {
		return err
	}
	if err := cmd.Args(cmd, cmd.Flags().Args()); err != nil {
		return err
	}
	if err := r.prepare(cmd.Flags().Args()); err != nil {
		return err
	}
	return r.Check()
}

// docs/relay.md names every path, and every flag.
func TestRelayDocsPaths(t *testing.T) {
	text, err := os.ReadFile("../../docs/relay.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []relay.Path{relay.Auto, relay.Fast, relay.General} {
		if !strings.Contains(string(text), fmt.Sprint(p)) {
			t.Errorf("docs/relay.md does not name the path %v", p)
		}
	}
	cmd := (&relayRun{app: &app{}}).command()
	for _, flag := range []string{"max-conns", "rate", "total-rate", "connect-timeout", "retry", "idle", "lifetime", "session-idle", "max-sessions",
		"allow", "deny", "drain", "pass-fds", "carry-tsap", "dump", "dump-hex", "path"} {
		if cmd.Flags().Lookup(flag) == nil || !strings.Contains(string(text), "--"+flag) {
			t.Errorf("--%s is not in the command or not in docs/relay.md", flag)
		}
	}
}

// The pages that show faults show such as are understood, and docs/faults.md has every effect.
func TestFaultDocs(t *testing.T) {
	shown := regexp.MustCompile("--fault (?:'([^']+)'|([a-z][^ `|]*))")
	for _, page := range []string{"../../docs/faults.md", "../../README.md", "../../README.es.md", ""} {
		text := []byte((&app{}).relayVerb().Long + (&app{}).relayVerb().Example)
		if page != "" {
			var err error
			if text, err = os.ReadFile(page); err != nil {
				t.Fatal(err)
			}
		}
		all := shown.FindAllStringSubmatch(string(text), -1)
		for _, m := range all {
			if _, err := fault.Parse(m[1] + m[2]); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		if len(all) == 0 {
			t.Errorf("%q shows no fault", page)
		}
		words, _ := fault.Words()
		for _, word := range words {
			if page == "../../docs/faults.md" && !strings.Contains(string(text), "| `"+word) || page == "" && !strings.Contains(string(text), word) {
				t.Errorf("%q does not have %s", page, word)
			}
		}
	}
}
