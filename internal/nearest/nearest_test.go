package nearest_test

import (
	"strings"
	"testing"

	"zocalo/internal/nearest"
)

func TestWord(t *testing.T) {
	known := []string{"backlog", "bind", "keepalive", "nodelay", "reuseaddr", "reuseport", "tcp", "tcp4", "udp"}
	for word, want := range map[string]string{
		"tpc":            "tcp",       // swapped
		"tcpp":           "tcp",       // one too many; tcp4 is as near, and later
		"cp":             "tcp",       // one missing
		"ucp":            "tcp",       // udp is as near, and later
		"nodealy":        "nodelay",   //
		"reuse-addr":     "reuseaddr", //
		"reuseaddress":   "reuseaddr", // three slips of twelve letters
		"keep-a-live":    "keepalive", //
		"backlog":        "backlog",   //
		"BIND":           "",          // case counts: callers choose
		"x":              "",          // everything would be replaced
		"":               "",          //
		"ssl":            "",          //
		"completely-new": "",          //

		strings.Repeat("nodelay", 20): "",
	} {
		if got := nearest.Word(word, known); got != want {
			t.Errorf("Word(%q) = %q; want %q", word, got, want)
		}
	}
	if got := nearest.Word("tcp", []string{strings.Repeat("t", 200)}); got != "" {
		t.Errorf("Word takes a word of 200 bytes for tcp")
	}
}

func TestUnknown(t *testing.T) {
	for want, known := range map[string][]string{
		`unknown service "nobody": there are none`:        nil,
		`unknown service "nobody": the only one is web`:   {"web"},
		`unknown service "nobody": there are web, db`:     {"web", "db"},
		`unknown service "nobody": did you mean nobodys?`: {"web", "nobodys"},
	} {
		if err := nearest.Unknown("service", "nobody", known); err.Error() != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
