package service_test

import (
	"net"
	"testing"

	"zocalo/service/upstream"
)

// A relay with several targets balances them, by what their checks say, and goes on with
// that when it changes.
func TestBalance(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	one, two := banner(t, "one"), banner(t, "two")
	text := func(to, more string) string {
		return "[service.a]\nfrom = \"tcp-listen:127.0.0.1:0\"\nto = [" + to + "]\n" + more
	}
	r := start(t, text(`"`+one+`", "tcp:`+closed.Addr().String()+`"`, "check = \"connect\"\ncheck-interval = 0.01\ncheck-fall = 1\n"))
	waitFor(t, func() bool { u := r.status("a").Upstreams; return u != nil && u.Up == 1 })
	c := dial(t, r.where("a"))
	c.expect(t, "one")

	change := r.reload(text(`"`+two+`", { address = "`+one+`", backup = true }`, "check = \"connect\"\n"))
	if len(change.Changed) != 1 {
		t.Fatal(change)
	}
	dial(t, r.where("a")).expect(t, "two")
	c.alive(t)
	s := r.status("a")
	if u := s.Upstreams; u.Policy != upstream.LeastOfTwo || len(u.Servers) != 2 || u.Servers[0].Open != 1 || !u.Servers[1].Backup || u.Servers[1].Open != 1 {
		t.Errorf("%+v", u)
	}
	if s.Engine != "streams" || s.Totals.Open != 2 {
		t.Errorf("%+v", s)
	}

	// From one target that is not balanced to several, and back, the sockets stay.
	if change := r.reload(text(`"`+one+`"`, "")); len(change.Replaced) != 1 {
		t.Fatal(change)
	}
	dial(t, r.where("a")).expect(t, "one")
	if change := r.reload(text(`"`+two+`", "`+one+`"`, "balance = \"in-turn\"\n")); len(change.Changed) != 1 {
		t.Fatal(change)
	}
	dial(t, r.where("a")).expect(t, "two")
	c.alive(t)
	pairs, _ := r.Pairs("a")
	seen := map[int64]bool{}
	for _, p := range pairs {
		if seen[p.Number] {
			t.Errorf("two pairs have the number %d", p.Number)
		}
		seen[p.Number] = true
	}
	if len(pairs) != 4 {
		t.Errorf("%+v", pairs)
	}
}

// A service that no longer balances has no upstreams: none is checked, or shown, any more.
func TestBalanceEnds(t *testing.T) {
	one := banner(t, "one")
	begin := "[service.a]\nfrom = \"tcp-listen:127.0.0.1:0\"\n"
	r := start(t, begin+`to = ["`+one+`", "tcp:127.0.0.1:1"]`)
	for _, to := range []string{`to = "` + one + `"`, `verb = "echo"`} {
		waitFor(t, func() bool { return r.status("a").Upstreams != nil })
		r.reload(begin + to)
		waitFor(t, func() bool { return r.status("a").Upstreams == nil })
		r.reload(begin + `to = ["` + one + `", "tcp:127.0.0.1:1"]`)
	}
}
