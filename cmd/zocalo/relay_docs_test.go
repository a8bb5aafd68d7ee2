package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

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
