package relay_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/address"
	"zocalo/relay"
	"zocalo/socket"
)

// Once a prefix layer has stepped aside, loops move what passes between two sockets of
// the kernel's, under the same account and limits; a layer that stays keeps a pair from
// them, and so does what must see what passes.
func TestLoopsAfterLayers(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		change   func(*relay.Relay)
		loops    int
	}{
		"prefix":        {"pp+tcp-listen:127.0.0.1:0", "tcp:", nil, 1},
		"prefix, both":  {"pp+tcp-listen:127.0.0.1:0", "pp+tcp:", nil, 1},
		"rate":          {"pp+tcp-listen:127.0.0.1:0", "tcp:", func(r *relay.Relay) { r.Rate = 1 << 30 }, 1},
		"total rate":    {"pp+tcp-listen:127.0.0.1:0", "tcp:", func(r *relay.Relay) { r.TotalRate = 1 << 30 }, 0},
		"watched":       {"pp+tcp-listen:127.0.0.1:0", "tcp:", watched, 0},
		"general":       {"pp+tcp-listen:127.0.0.1:0", "tcp:", func(r *relay.Relay) { r.Path = relay.General }, 0},
		"keeps open":    {"pp+tcp-listen:127.0.0.1:0,no-shutdown", "tcp:", nil, 0},
		"no connection": {"pp+tcp-listen:127.0.0.1:0", "unix:", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			at := "tcp:127.0.0.1:0"
			if c.to == "unix:" {
				at = "unix:" + inTemp(t, "s")
			}
			l := listen(t, at)
			if c.to == "pp+tcp:" {
				l = listen(t, "pp+tcp:127.0.0.1:0")
			}
			r := relays(t, c.change, c.from, c.to+l.Name().String())
			near := dial(t, "pp+tcp:"+r.address()[len("pp+tcp:"):])
			far := accept(t, l)
			writes(t, near, "there")
			wants(t, far, "there")
			writes(t, far, "back")
			wants(t, near, "back")
			if r.Path == relay.General {
				c.loops = 0
			}
			if n := r.OnLoops(); n != c.loops {
				t.Errorf("%d pairs are on loops, want %d", n, c.loops)
			}
			engine := map[int]string{0: "join", 1: "streams"}[c.loops]
			if got, why := r.Engine(); got != engine || (why == "") != (engine == "streams") {
				t.Errorf("the engine is %s since %q, want %s", got, why, engine)
			}
			await(t, "what passed is counted", func() bool {
				open := r.Open()
				return len(open) == 1 && open[0].Result.From[relay.A].Bytes == 5 && open[0].Result.From[relay.B].Bytes == 4
			})
			try(t, near.Shutdown(socket.ShutdownWrite))
			if name != "keeps open" {
				wantsEOF(t, far)
			}
			writes(t, far, "more")
			wants(t, near, "more")
			try(t, far.Close())
			wantsEOF(t, near)
			p := r.ended()
			if p.Result.How != relay.Finished || p.Err != nil || p.Peer != near.Name().String() {
				t.Errorf("%+v", p)
			}
		})
	}
}

// Limits and resets are those of every engine, also once they have changed.
func TestLoopsAfterLayersEnd(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	onAuto := func(r *relay.Relay) { r.Path = relay.Auto }
	r := relays(t, onAuto, "pp+tcp-listen:127.0.0.1:0", "tcp:"+l.Name().String())
	at := r.address()
	pair := func() (near, far *socket.Socket) {
		near = dial(t, at)
		far = accept(t, l)
		await(t, "the pair is on a loop", func() bool { return r.OnLoops() == 1 })
		return near, far
	}
	near, far := pair()
	try(t, near.Abort())
	_, err := far.Read(make([]byte, 1))
	wantsErr(t, err, syscall.ECONNRESET)
	if p := r.ended(); p.Result.How != relay.Reset {
		t.Errorf("%+v", p)
	}
	near, far = pair()
	r.SetLimits(relay.Limits{Idle: 50 * time.Millisecond})
	_, err = near.Read(make([]byte, 1))
	wantsErr(t, err, syscall.ECONNRESET)
	_, err = far.Read(make([]byte, 1))
	wantsErr(t, err, syscall.ECONNRESET)
	if p := r.ended(); p.Result.How != relay.Idle {
		t.Errorf("%+v", p)
	}
}

// A total rate that a change brings holds for a pair that is on a loop, and for the next.
func TestLoopsTotalRate(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, func(r *relay.Relay) { r.Path = relay.Auto }, "pp+tcp-listen:127.0.0.1:0", "tcp:"+l.Name().String())
	at := r.address()
	text := strings.Repeat("x", 10_000)
	for _, when := range []string{"before", "after"} {
		if when == "after" {
			try(t, r.SetLimits(relay.Limits{TotalRate: 1}))
		}
		near := dial(t, at)
		far := accept(t, l)
		await(t, "the pair is on a loop", func() bool { return r.OnLoops() == 1 })
		try(t, r.SetLimits(relay.Limits{TotalRate: 1}))
		writes(t, near, text)
		// A byte a second: what comes at once is all of it, or very little.
		n, err := far.Read(make([]byte, len(text)))
		if err != nil || n > 1000 {
			t.Errorf("of a pair from %s the change %d bytes came at once, %v", when, n, err)
		}
		try(t, r.SetLimits(relay.Limits{}))
		wants(t, far, text[n:])
		try(t, near.Close())
		try(t, far.Close())
		if p := r.ended(); p.Result.How != relay.Finished {
			t.Errorf("%+v", p)
		}
	}
}

// What loops cannot do is not dropped where a change or a hook brings it: the pair stays
// with the engine join.
func TestLoopsCannot(t *testing.T) {
	for _, by := range []string{"SetTo", "Route"} {
		t.Run(by, func(t *testing.T) {
			l := listen(t, "tcp:127.0.0.1:0")
			plain := "tcp:" + l.Name().String()
			to := parse(t, plain+",no-shutdown")
			r := relays(t, func(r *relay.Relay) {
				if r.Path = relay.Auto; by == "Route" {
					r.Route = routesTo(to)
				}
			}, "pp+tcp-listen:127.0.0.1:0", plain)
			at := r.address()
			await(t, "the engine serves", func() bool { name, _ := r.Engine(); return name == "streams" })
			if by == "SetTo" {
				try(t, r.SetTo(to))
				if engine, _ := r.Engine(); engine != "join" {
					t.Errorf("the engine is %s", engine)
				}
			}
			near := dial(t, at)
			far := accept(t, l)
			writes(t, near, "there")
			wants(t, far, "there")
			if n := r.OnLoops(); n != 0 {
				t.Errorf("%d pairs are on loops", n)
			}
		})
	}
}

func routesTo(to address.Address) func(context.Context, *relay.Peer, []address.Address) ([]address.Address, error) {
	return func(context.Context, *relay.Peer, []address.Address) ([]address.Address, error) {
		return []address.Address{to}, nil
	}
}

// The fast engines refuse what Route chooses and they cannot do.
func TestFastRefusesRoute(t *testing.T) {
	for _, kind := range []string{"tcp", "udp"} {
		t.Run(kind, func(t *testing.T) {
			plain := kind + ":127.0.0.1:9"
			to := parse(t, map[string]string{"tcp": plain + ",no-shutdown", "udp": plain + ",any-port"}[kind])
			r := relays(t, func(r *relay.Relay) { r.Path, r.Route = relay.Auto, routesTo(to) }, kind+"-listen:127.0.0.1:0", plain)
			writes(t, dial(t, r.address()), "there")
			if kind == "udp" { // whose session tells what it met, and goes on
				await(t, "the log tells", func() bool { return strings.Contains(r.journal.String(), "the fast path hears") })
				return
			}
			p := r.ended()
			var refused *relay.NotFastError
			if p.Result.How != relay.Failed || !errors.As(p.Err, &refused) {
				t.Errorf("%+v", p)
			}
		})
	}
}

// A pair for which there is no loop any more, since the relay ends, is reset.
func TestLoopsAreOver(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, func(r *relay.Relay) { r.Path = relay.Auto }, "pp+tcp-listen:127.0.0.1:0", "tcp:"+l.Name().String())
	at := r.address()
	await(t, "the engine serves", func() bool { name, _ := r.Engine(); return name == "streams" })
	r.EndLoops()
	near := dial(t, at)
	far := accept(t, l)
	_, err := near.Read(make([]byte, 1))
	wantsErr(t, err, syscall.ECONNRESET)
	_, err = far.Read(make([]byte, 1))
	wantsErr(t, err, syscall.ECONNRESET)
	if p := r.ended(); p.Result.How != relay.Cancelled {
		t.Errorf("%+v", p)
	}
}
