package fault

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay"
)

// A removed fault lets what it held go on at once, in order.
func TestRemove(t *testing.T) {
	for _, spec := range []string{"stall", "latency=1h", "partition", "rate=1", "rate=0", "slow-open=1h", "slices=1,1h"} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, bytesLike, spec, "latency=1s")
			x.pass("abc")
			x.pass("def")
			time.Sleep(500 * time.Millisecond)
			x.plan.Lookup(strings.SplitN(spec, "=", 2)[0]).Remove()
			x.pass("g")
			time.Sleep(time.Minute)
			if got := strings.Join(x.texts(), ""); got != "abcdefg" {
				t.Errorf("%s: what came is %q", spec, got)
			}
			if last := x.out[len(x.out)-1].at; last != 1500*time.Millisecond {
				t.Errorf("%s: the last came after %v", spec, last)
			}
			x.filter.End(nil)
		})
	}
}

// Several that are removed at once lose nothing.
func TestRemoveAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "latency=1h", "stall", "rate=1", "partition")
		x.pass("abc", "def")
		time.Sleep(2 * time.Hour)
		x.pass("ghi")
		if err := x.plan.Set(); err != nil {
			t.Fatal(err)
		}
		x.filter.End(nil)
		if got := strings.Join(x.texts(), ""); got != "abcdefghi" {
			t.Errorf("what came is %q", got)
		}
	})
}

// A changed fault does what it does now, to what it holds too.
func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "latency=1h")
		h := x.plan.Lookup("latency")
		x.pass("a")
		time.Sleep(time.Second)
		if err := h.Set(Fault{Effect: Latency{Mean: 3 * time.Second}}); err != nil {
			t.Fatal(err)
		}
		x.pass("b")
		time.Sleep(time.Minute)
		x.wants(ms(3000, "a"), ms(4000, "b"))
		if f := h.Fault(); f.String() != "latency@latency=3s" {
			t.Errorf("the fault is %v", f)
		}
		h.Remove()
		h.Remove()
		if err := h.Set(Fault{Effect: Stall{}}); err != ErrRemoved {
			t.Errorf("setting a removed one is %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // rate 0 stalls until there is another
		x := impairs(t, bytesLike, "rate=0")
		x.pass("abc")
		time.Sleep(time.Hour)
		x.wants()
		if err := x.plan.Lookup("rate").Set(Fault{Effect: Rate{Bytes: 1e6}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		x.wants(ms(3600e3, "abc"))
	})
	synctest.Test(t, func(t *testing.T) { // a limit keeps its count
		x := impairs(t, bytesLike, "limit=10")
		x.pass("abc")
		if err := x.plan.Lookup("limit").Set(Fault{Effect: Limit{Bytes: 5}}); err != nil {
			t.Fatal(err)
		}
		x.filter.Pass(pieceOf(x, "def"))
		if got := strings.Join(x.texts(), ","); got != "abc,de," {
			t.Errorf("what came is %q", got)
		}
	})
}

// Set replaces all: those of the same name go on.
func TestSetAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "latency=10s", "stall")
		x.pass("a")
		if err := x.plan.Set(parses(t, "rate=1MB", "latency=20s")...); err != nil {
			t.Fatal(err)
		}
		if got := x.plan.String(); got != "rate@rate=1000000\nlatency@latency=20s\n" {
			t.Errorf("the plan is %q", got)
		}
		time.Sleep(time.Minute)
		x.wants(ms(20000, "a"))
		var taken *NameError
		if _, err := x.plan.Add(Fault{Name: "rate", Effect: Stall{}}); !errors.As(err, &taken) {
			t.Errorf("a second rate is %v", err)
		}
		if h, err := x.plan.Add(Fault{Effect: Rate{Bytes: 1}}); err != nil || h.Fault().Name != "rate#2" {
			t.Errorf("a second rate is %v", err)
		}
		if err := x.plan.Set(Fault{}); err == nil {
			t.Error("a fault without an effect is taken")
		}
		if x.plan.Lookup("none") != nil {
			t.Error("there is a fault that was not added")
		}
	})
}

// Faults change a hundred thousand times under load, and nothing hangs, is lost or out of order.
func TestChangesUnderLoad(t *testing.T) {
	changes := 100_000
	if testing.Short() {
		changes = 2000
	}
	plan := New(1)
	var mu sync.Mutex
	next, wrong := byte(0), 0
	filter := plan.Filter(t.Context(), relay.Pair{Number: 1}, relay.A, func(p relay.Piece) error {
		mu.Lock()
		defer mu.Unlock()
		for _, b := range p.Data {
			if b != next {
				wrong++
			}
			next++
		}
		return nil
	})
	over, done := make(chan struct{}), make(chan byte)
	go func() {
		r, sent, b := rand.New(rand.NewPCG(1, 2)), byte(0), make([]byte, 9000)
		for {
			select {
			case <-over:
				filter.End(nil)
				done <- sent
				return
			default:
			}
			p := bytesLike
			p.Data = b[:1+r.IntN(len(b)-1)]
			for i := range p.Data {
				p.Data[i] = sent
				sent++
			}
			if err := filter.Pass(p); err != nil {
				t.Error(err)
			}
		}
	}()
	specs := []string{"latency=1ms~1ms", "rate=100MB", "rate=0", "stall", "slices=100~50,10us", "loss=10%,pause=1ms", "partition,for=1ms", "slow-open=1h", "latency=1h", "slow-close=1ms"}
	faults := parses(t, specs...)
	r := rand.New(rand.NewPCG(3, 4))
	for range changes {
		switch all := plan.Faults(); {
		case len(all) > 4 || len(all) > 0 && r.IntN(3) == 0:
			plan.Lookup(all[r.IntN(len(all))].Name).Remove()
		case len(all) > 0 && r.IntN(2) == 0:
			plan.Lookup(all[r.IntN(len(all))].Name).Set(faults[r.IntN(len(faults))])
		default:
			f := faults[r.IntN(len(faults))]
			f.Name = ""
			plan.Add(f)
		}
	}
	close(over)
	for len(plan.Faults()) > 0 {
		plan.Lookup(plan.Faults()[0].Name).Remove()
	}
	if sent := <-done; wrong > 0 || next != sent {
		t.Errorf("%d bytes are wrong; the last is %d, want %d", wrong, next, sent)
	}
}

// A share of pairs is drawn for each, and again when the fault changes.
func TestShareOfPairs(t *testing.T) {
	plan := New(5)
	if err := plan.Set(parses(t, "blackhole,pairs=30%")...); err != nil {
		t.Fatal(err)
	}
	hit := 0
	for n := range int64(1000) {
		passed := false
		f := plan.Filter(t.Context(), relay.Pair{Number: n + 1}, relay.A, func(relay.Piece) error {
			passed = true
			return nil
		})
		f.Pass(messageLike)
		if !passed {
			hit++
		}
	}
	if hit < 250 || hit > 350 {
		t.Errorf("%d of 1000 pairs have the fault", hit)
	}
}

// What waits for a rate passes at the new one from the change on: the time that it has waited is not made up for.
func TestSetRate(t *testing.T) {
	for name, like := range map[string]relay.Piece{"bytes": bytesLike, "messages": messageLike} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, like, "latency=0s", "rate=1000B,burst=1")
			for range 600 {
				x.pass(strings.Repeat("x", 50))
			}
			time.Sleep(10*time.Second + 10*time.Millisecond)
			if err := x.plan.Set(parses(t, "latency=0s", "rate=2000B,burst=1")...); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if n := len(strings.Join(x.texts(), "")); n < 11900 || n > 12100 {
				t.Errorf("%s: %d bytes passed in 10 seconds at 1000 a second and one at 2000", name, n)
			}
			x.end()
		})
	}
}
