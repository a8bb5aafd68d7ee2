package datagrams_test

import (
	"fmt"
	"testing"

	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
)

// kinds are names for the kinds that go together.
var kinds = map[string]func(testing.TB) string{
	"udp4": func(testing.TB) string { return "127.0.0.1:0" },
	"udp6": func(testing.TB) string { return "[::1]:0" },
	"unix": func(t testing.TB) string { return aPath(t) },
}

// Peers of every kind reach targets of every kind, each by a session of its
// own, with messages of every length.
func TestEchoThrough(t *testing.T) {
	for near, nearName := range kinds {
		for far, farName := range kinds {
			t.Run(near+" to "+far, func(t *testing.T) {
				target, front := bound(t, farName(t)), bound(t, nearName(t))
				echo(t, target)
				r := &datagrams.Relay{Dial: to(target.Name())}
				name := front.Name()
				start(t, r, front)
				const peers = 20
				messages, bytes := int64(0), int64(0)
				for i := range peers {
					p := connected(t, name)
					for _, text := range []string{fmt.Sprint("peer ", i), "", repeated(1200), repeated(65507), ""} {
						says(t, p, text)
						hears(t, p, text)
						messages++
						bytes += int64(len(text))
					}
				}
				want := datagrams.Passed{Messages: messages, Bytes: bytes}
				until(t, "all is counted", func() bool { return r.Totals().From == [2]datagrams.Passed{want, want} })
				if got := r.Totals(); got.Sessions != peers || got.Open != peers || lost(got) != 0 || got.Errors != 0 || got.Overflowed != 0 {
					t.Errorf("totals: %+v, want %d sessions", got, peers)
				}
				all := r.Sessions()
				if len(all) != peers {
					t.Fatalf("%d sessions are open", len(all))
				}
				for _, s := range all {
					if s.Near != name || s.Target != target.Name() || s.Peer.IsZero() || s.Local.IsZero() || s.Result.From[outcome.A].Messages != 5 {
						t.Errorf("session %+v", s)
					}
				}
			})
		}
	}
}
