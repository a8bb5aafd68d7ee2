package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay"
)

// A visitor is pairs of a link, without a relay.
type visitor struct {
	t    *testing.T
	p    *Pool
	l    *Link
	last int64
}

func newVisitor(t *testing.T, p *Pool) *visitor { return &visitor{t: t, p: p, l: p.Link()} }

// pair routes a pair to the servers that are not dead, and returns its number, 0 if
// none was reached.
func (v *visitor) pair(dead ...string) int64 {
	v.t.Helper()
	v.last++
	who := &relay.Peer{Pair: v.last}
	v.l.Began(who)
	to, err := v.l.Route(context.Background(), who, nil)
	if err != nil {
		if !errors.Is(err, ErrNoneUp) {
			v.t.Fatal(err)
		}
		v.end(v.last, relay.Failed, 0)
		return 0
	}
	for _, a := range to {
		var err error
		if strings.Contains(strings.Join(dead, " "), a.String()) {
			err = syscall.ECONNREFUSED
		}
		v.l.Reached(v.last, relay.Attempt{To: a, Err: err})
		if err == nil {
			return v.last
		}
	}
	v.end(v.last, relay.Failed, 0)
	return 0
}

func (v *visitor) end(pair int64, how relay.EndReason, answer int64) {
	p := relay.Pair{Number: pair, Result: relay.Result{How: how, Side: relay.B}}
	p.Result.From[relay.B].Bytes = answer
	v.l.Ended(p)
}

const first, second, third = "tcp:10.0.0.1:80", "tcp:10.0.0.2:80", "tcp:10.0.0.3:80"

// A server that refuses is ejected after a few failures, for longer each time, and one failure is
// enough once it has come back.
func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		p := newPool(t, Config{Members: numbered(t, 3), Log: j.Logger()})
		ctx, stop := context.WithCancel(t.Context())
		go p.Run(ctx)
		defer synctest.Wait()
		defer stop()
		v := newVisitor(t, p)
		untilEjected := func() (pairs int) {
			for before := statusOf(t, p, first).Failed; statusOf(t, p, first).Health == Up; {
				if v.pair(first) == 0 {
					t.Fatal("a pair was not served, and other servers are up")
				}
				pairs = int(statusOf(t, p, first).Failed - before)
			}
			return pairs
		}
		if n := untilEjected(); n != DefaultFailures {
			t.Errorf("it was ejected after %d failures", n)
		}
		for _, d := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute} {
			s := statusOf(t, p, first)
			if got := time.Until(s.Until); got != d || !strings.Contains(s.Why, "connection refused") {
				t.Errorf("it is ejected for %v, want %v: %s", got, d, s.Why)
			}
			for range 20 {
				v.pair(first)
			}
			if again := statusOf(t, p, first); again.Failed != s.Failed {
				t.Error("it was tried while it was ejected and others were up")
			}
			time.Sleep(d)
			synctest.Wait()
			if s := statusOf(t, p, first); s.Health != Up {
				t.Fatalf("after %v it is %v", d, s.Health)
			}
			if n := untilEjected(); n != 1 {
				t.Errorf("it was ejected again after %d failures", n)
			}
		}
		// A long time of good service, and it is as before.
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for range 100 {
			v.end(v.pair(), relay.Finished, 1)
		}
		time.Sleep(6 * time.Minute)
		if n := untilEjected(); n != DefaultFailures || time.Until(statusOf(t, p, first).Until) != DefaultEjection {
			t.Errorf("after good service it was ejected after %d failures", n)
		}
		synctest.Wait()
		for _, line := range []string{
			`level=WARN msg="upstream ejected" upstream=tcp:10.0.0.1:80 for=10s why="3 failures in a row, the last: connection refused"`,
			`level=INFO msg="upstream is up" upstream=tcp:10.0.0.1:80 why="its ejection is over"`,
		} {
			if !strings.Contains(j.String(), line) {
				t.Errorf("the log lacks %s\n%s", line, &j)
			}
		}
		if v.pair() == 0 {
			t.Error("no pair is served")
		}
	})
}

// No more than a share is ejected, and never the last.
func TestEjectionShare(t *testing.T) {
	for _, c := range []struct{ servers, share, ejected int }{
		{1, 0, 0}, {1, -1, 0}, {2, 0, 1}, {3, 0, 1}, {4, 0, 2}, {10, 0, 5}, {10, 10, 1}, {10, 1, 1}, {10, -1, 9}, {10, 100, 9},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			p := newPool(t, Config{Members: numbered(t, c.servers), Passive: Passive{Share: c.share}, Tries: -1})
			v := newVisitor(t, p)
			var all []string
			for _, s := range p.Status().Servers {
				all = append(all, s.Address)
			}
			for range 20 {
				if v.pair(all...) != 0 {
					t.Fatal("a dead server was reached")
				}
			}
			if s := p.Status(); s.Up != c.servers-c.ejected {
				t.Errorf("of %d servers %d are up", c.servers, s.Up)
			}
			// All are tried all the same, and one that comes back is found.
			if v.pair(all[1:]...) == 0 {
				t.Error("a server that came back was not found")
			}
		})
	}
}

// A server that resets before it answers is ejected, and one that resets after it has
// answered, or long after, is not.
func TestEarlyReset(t *testing.T) {
	for _, c := range []struct {
		what   string
		ends   func(v *visitor, pair int64)
		health Health
	}{
		{"early", func(v *visitor, n int64) { v.end(n, relay.Reset, 0) }, Ejected},
		{"answered", func(v *visitor, n int64) { v.end(n, relay.Reset, 1) }, Up},
		{"finished", func(v *visitor, n int64) { v.end(n, relay.Finished, 0) }, Up},
		{"by the peer", func(v *visitor, n int64) {
			v.l.Ended(relay.Pair{Number: n, Result: relay.Result{How: relay.Reset, Side: relay.A}})
		}, Up},
		{"late", func(v *visitor, n int64) {
			v.l.Ended(relay.Pair{Number: n, Result: relay.Result{How: relay.Reset, Side: relay.B, Duration: time.Minute}})
		}, Up},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPool(t, Config{Members: numbered(t, 2), Tries: 1})
			v := newVisitor(t, p)
			for range 50 {
				n := v.pair()
				if v.l.shard(n).trips[n].servers[0].text == first {
					c.ends(v, n)
				} else {
					v.end(n, relay.Finished, 1)
				}
			}
			if s := statusOf(t, p, first); s.Health != c.health || s.Open != 0 {
				t.Errorf("it is %v (%s), with %d open", s.Health, s.Why, s.Open)
			}
		})
	}
}

// Pairs are counted where they are, whatever comes of them.
func TestOpenCounts(t *testing.T) {
	p := newPool(t, Config{Members: numbered(t, 3)})
	v := newVisitor(t, p)
	open := func() (n int64) {
		for _, s := range p.Status().Servers {
			n += s.Open
		}
		return n
	}
	var pairs []int64
	for range 30 {
		pairs = append(pairs, v.pair(first))
	}
	if open() != 30 || statusOf(t, p, first).Open != 0 {
		t.Errorf("%d of 30 are open: %+v", open(), p.Status())
	}
	// A session whose server refuses what is sent is routed again.
	again := pairs[0]
	refused := v.l.shard(again).trips[again].servers[v.l.shard(again).trips[again].at]
	before := refused.failed.Load()
	to, err := v.l.Route(t.Context(), &relay.Peer{Pair: again}, nil)
	try(t, err)
	v.l.Reached(again, relay.Attempt{To: to[0]})
	if open() != 30 || refused.failed.Load() != before+1 {
		t.Errorf("%d are open, and a refusal was counted %d times", open(), refused.failed.Load()-before)
	}
	try(t, p.Eject(third))
	try(t, p.Update(Config{Members: numbered(t, 2)}))
	for _, n := range pairs {
		v.end(n, relay.Finished, 1)
		v.end(n, relay.Finished, 1) // which nobody does
	}
	// A relay that asks for a server of a pair that is over.
	if _, err := v.l.Route(t.Context(), &relay.Peer{Pair: pairs[0]}, nil); err != nil {
		t.Error(err)
	}
	v.l.Reached(pairs[0], relay.Attempt{})
	if open() != 0 {
		t.Errorf("%d are open: %+v", open(), p.Status())
	}
}

// By hand all can be taken out, and the error says so; what a check found stays behind it.
func TestByHand(t *testing.T) {
	var j journal
	p := newPool(t, Config{Members: numbered(t, 2), Log: j.Logger()})
	run(t, p)
	v := newVisitor(t, p)
	try(t, p.Eject(first))
	for range 20 {
		if n := v.pair(first); n == 0 || statusOf(t, p, first).Failed != 0 {
			t.Fatal("it is used")
		}
	}
	try(t, p.Eject("10.0.0.2:80")) // by its endpoint
	if v.pair() != 0 {
		t.Error("a pair was served")
	}
	_, err := v.l.Route(t.Context(), &relay.Peer{Pair: 1000}, nil)
	if want := "no upstream is up: all 2 are down, tcp:10.0.0.1:80 is off (taken out by hand)"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
	var unknown *UnknownError
	if err := p.Eject("tcp:10.0.0.1:81"); !errors.As(err, &unknown) || !strings.Contains(err.Error(), first) {
		t.Errorf("ejecting an unknown one: %v", err)
	}
	try(t, p.Restore(first))
	if v.pair() == 0 {
		t.Error("no pair was served")
	}
	await(t, "the log tells", func() bool {
		s := j.String()
		return strings.Contains(s, `level=ERROR msg="no upstream is up"`) && strings.Contains(s, `msg="upstream is up" upstream=tcp:10.0.0.1:80 why="restored by hand"`)
	})
}

// Checks make a server down and up again after as many as are asked for.
func TestRiseAndFall(t *testing.T) {
	p := newPool(t, Config{Members: numbered(t, 2)})
	st := p.states[first]
	c := Check{Rise: 2, Fall: 3}
	is := func(what string, want Health) {
		t.Helper()
		if s := statusOf(t, p, first); s.Health != want {
			t.Errorf("%s: it is %v (%s)", what, s.Health, s.Why)
		}
	}
	bad, good := error(syscall.ECONNREFUSED), error(nil)
	p.checked(st, c, 0, bad)
	is("the first check counts at once", Down)
	p.checked(st, c, 0, good)
	is("a success", Down)
	p.checked(st, c, 0, bad)
	p.checked(st, c, 0, good)
	is("not in a row", Down)
	p.checked(st, c, 0, good)
	is("two in a row", Up)
	p.checked(st, c, 0, bad)
	p.checked(st, c, 0, bad)
	is("two failures", Up)
	p.checked(st, c, 0, context.DeadlineExceeded)
	is("three failures", Down)
	if s := statusOf(t, p, first); s.Why != "3 checks in a row failed, the last: no answer in time" || s.LastCheckError == "" {
		t.Errorf("it says %+v", s)
	}
	// A configuration without checks takes nobody's word.
	cfg := Config{Members: numbered(t, 2), Check: Check{Kind: CheckConnect}}
	try(t, p.Update(cfg))
	is("with checks", Down)
	cfg.Check = Check{}
	try(t, p.Update(cfg))
	is("without checks", Up)
}

// An Update keeps what is known of servers that stay, and a wrong one changes nothing.
func TestUpdate(t *testing.T) {
	p := newPool(t, Config{Members: numbered(t, 2)})
	v := newVisitor(t, p)
	for range 10 {
		v.pair()
	}
	try(t, p.Eject(first))
	before := statusOf(t, p, first)
	bad := Config{Members: append(numbered(t, 2), Member{Address: parse(t, "tcp-listen:1"), Weight: 300}, Member{}), Check: Check{Rise: -1}, Policy: 9}
	err := p.Update(bad)
	for _, word := range []string{"listens", "no address", "negative", "policy 9"} {
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	c := Config{Members: numbered(t, 3), Policy: RoundRobin}
	c.Members[0].Weight = 4
	try(t, p.Update(c))
	s := statusOf(t, p, first)
	if s.Health != Off || s.Open != before.Open || s.Total != before.Total || s.Weight != 4 {
		t.Errorf("it was %+v and is %+v", before, s)
	}
	if len(p.Addresses()) != 3 || p.Status().Up != 2 || p.Status().Policy != RoundRobin {
		t.Errorf("the pool is %+v", p.Status())
	}
}

// What cannot be is refused, all at once.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		says string
		c    Config
	}{
		{"no upstream was given", Config{}},
		{"given twice", Config{Members: members(t, "tcp:10.0.0.1:1", "tcp:10.0.0.1:1")}},
		{"weights are 1 to 256", Config{Members: []Member{{Address: parse(t, "tcp:10.0.0.1:1"), Weight: 257}}}},
		{"needs something to send", Config{Members: members(t, "udp:10.0.0.1:1"), Check: Check{Kind: CheckConnect}}},
		{"cannot be checked", Config{Members: members(t, "pipe:/x"), Check: Check{Kind: CheckConnect}}},
		{"has no port", Config{Members: members(t, "unix:/x"), Check: Check{Kind: CheckConnect, Port: 1}}},
		{"are of a TLS check", Config{Members: members(t, "tcp:10.0.0.1:1"), Check: Check{Kind: CheckConnect, Options: "verify=0"}}},
		{"verfy", Config{Members: members(t, "tcp:10.0.0.1:1"), Check: Check{Kind: CheckTLS, Options: "verfy=0"}}},
		{"ports are 1 to 65535", Config{Members: members(t, "tcp:10.0.0.1:1"), Check: Check{Kind: CheckConnect, Port: 70000}}},
		{"the share must be 1 to 100", Config{Members: members(t, "tcp:10.0.0.1:1"), Passive: Passive{Share: 101}}},
		{"75000", Config{Members: members(t, "tcp:10.0.0.1:75000")}},
	} {
		if _, err := New(c.c); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("the error is %v, want %q", err, c.says)
		}
	}
}

// Words are read as they are written.
func TestWords(t *testing.T) {
	for _, p := range []Policy{LeastOfTwo, RoundRobin, SourceHash} {
		var got Policy
		text, _ := p.MarshalText()
		if err := got.UnmarshalText(text); err != nil || got != p {
			t.Errorf("%v is read as %v, %v", p, got, err)
		}
	}
	for _, k := range []CheckKind{NoCheck, CheckConnect, CheckTLS} {
		var got CheckKind
		text, _ := k.MarshalText()
		if err := got.UnmarshalText(text); err != nil || got != k {
			t.Errorf("%v is read as %v, %v", k, got, err)
		}
	}
	if _, err := ParsePolicy("hsah"); err == nil || !strings.Contains(err.Error(), "hash") {
		t.Errorf("a slip: %v", err)
	}
	if _, err := ParseCheckKind("tsl"); err == nil {
		t.Error("a slip is taken")
	}
}
