package verb_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"zocalo/relay"
	"zocalo/service/verb"
)

// told declares a relay's options and sets some.
func told(t *testing.T, set map[string]string) (*verb.Relay, *verb.Options) {
	t.Helper()
	r, o := new(verb.Relay), new(verb.Options)
	r.Declare(o)
	for name, text := range set {
		if err := o.Lookup(name).Set(text); err != nil {
			t.Fatal(err)
		}
	}
	return r, o
}

func TestRelay(t *testing.T) {
	r, o := told(t, map[string]string{"idle": "3", "max-conns": "7", "connect-timeout": "0", "allow": "10.0.0.0/8,::1", "retry": "forever", "drain": "0"})
	if err := r.Prepare([]string{"8080", "db:5432", "/run/x.sock"}); err != nil {
		t.Fatal(err)
	}
	c := r.Config
	if c.From.String() != "tcp-listen:127.0.0.1:8080" && c.From.String() != "tcp-listen:8080" || len(c.To) != 2 || c.To[1].String() != "unix:/run/x.sock" {
		t.Errorf("%v to %v", c.From, c.To)
	}
	if c.Idle != 3*time.Second || c.MaxConns != 7 || c.ConnectTimeout != -1 || c.Allow == nil || c.Retry != -1 || c.Drain != time.Nanosecond {
		t.Errorf("%+v", c.Limits)
	}
	if !o.Given("idle") || o.Given("lifetime") || !slices.Equal(o.Lookup("idle").Words(), []string{"3"}) {
		t.Error("what was given is not known")
	}
	if err := (&relay.Relay{Config: c}).Check(); err != nil {
		t.Error(err)
	}
}

// An error is about an option, and has no dashes where there are none.
func TestInFile(t *testing.T) {
	for _, test := range []struct {
		set         map[string]string
		words       []string
		text, about string
	}{
		{map[string]string{"dump": "true", "dump-hex": "true"}, []string{"tcp-listen:1", "tcp:h:1"}, "dump and dump-hex cannot be combined: give one", "dump"},
		{map[string]string{"session-idle": "3"}, []string{"tcp-listen:1", "tcp:h:1"}, "session-idle is for listeners of datagrams", "session-idle"},
		{map[string]string{"seed": "3"}, []string{"tcp-listen:1", "tcp:h:1"}, "seed is for fault and schedule", "seed"},
		{map[string]string{"carry-tsap": "true"}, []string{"tcp-listen:1", "tcp:h:1"}, "carry-tsap is for iso to iso, and tcp-listen:1 is not iso", "carry-tsap"},
	} {
		r, o := told(t, test.set)
		err := r.Prepare(test.words)
		var usage *verb.UsageError
		if !errors.As(err, &usage) || !verb.IsUsage(err) {
			t.Errorf("%v: %v", test.set, err)
			continue
		}
		text, about := o.InFile(err)
		if text != test.text || about == nil || about.Name != test.about {
			t.Errorf("%v: %q is about %v", test.set, text, about)
		}
	}
}

func TestCutName(t *testing.T) {
	for text, want := range map[string][2]string{
		"a.org=tcp:h:1":     {"a.org", "tcp:h:1"},
		"tcp:h:1,nodelay=0": {"", "tcp:h:1,nodelay=0"},
		"tcp:h:1":           {"", "tcp:h:1"},
		"=x":                {"", "=x"},
	} {
		if name, address := verb.CutName(text); name != want[0] || address != want[1] {
			t.Errorf("%s is %q and %q", text, name, address)
		}
	}
}
