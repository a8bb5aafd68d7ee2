package fault

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/internal/impair"
	"zocalo/relay/join"
)

var lossyLike = join.LossyMessage()

func numbered(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// What is lost is as much as is stated (chi-square, 1 degree of freedom, 0.1 %), each time the same.
func TestLossOfMessages(t *testing.T) {
	const n = 20000
	for spec, share := range map[string]float64{"loss=10%": 0.1, "loss=ge(1%,30%)": 0.01 / 0.31, "loss=burst(5%,10)": 0.05, "blackhole": 1, "loss=0%": 0} {
		var logs []string
		for range 2 {
			synctest.Test(t, func(t *testing.T) {
				x := impairs(t, lossyLike, spec)
				for i := range n {
					x.pass(fmt.Sprint(i))
				}
				lost := float64(n - len(x.texts()))
				if share == 0 || share == 1 {
					if lost != share*n {
						t.Errorf("%s: %v of %d are lost", spec, lost, n)
					}
					return
				}
				chi := (lost - n*share) * (lost - n*share) / (n * share * (1 - share))
				wide := 10.83 // and more where losses are not independent
				if strings.Contains(spec, "(") {
					wide *= 19
				}
				if chi > wide {
					t.Errorf("%s: %v of %d are lost, chi-square is %v", spec, lost, n, chi)
				}
				log := ""
				for _, e := range x.events {
					log += string(e.AppendJSON(nil))
				}
				logs = append(logs, log)
			})
		}
		if len(logs) > 0 && (logs[0] != logs[1] || logs[0] == "") {
			t.Errorf("%s: two logs of the same seed differ, or are empty", spec)
		}
	}
}

// Delays are distributed as stated (Kolmogorov and Smirnov, 0.1 %), in the time that messages take.
func TestDelayOfMessages(t *testing.T) {
	const n = 5000
	for spec, delay := range map[string]impair.Delay{
		"latency=100ms~20ms,reorder":          {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond},
		"latency=100ms~20ms,normal,reorder":   {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Shape: impair.Normal},
		"latency=100ms~20ms,pareto,reorder":   {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Shape: impair.Pareto},
		"latency=100ms~1ms,normal":            {Mean: 100 * time.Millisecond, Jitter: time.Millisecond, Shape: impair.Normal},
		"latency=100ms~20ms,corr=50%,reorder": {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Correlation: 0.5},
	} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, messageLike, spec)
			for i := range n {
				x.pass(fmt.Sprint(i))
				time.Sleep(10 * time.Millisecond)
			}
			x.filter.End(nil)
			var seen []time.Duration
			for _, c := range x.out {
				var i int
				fmt.Sscan(c.data, &i)
				seen = append(seen, c.at-time.Duration(i)*10*time.Millisecond)
			}
			impair.SortSamples(seen)
			most := 0.0
			for i, d := range seen {
				most = max(most, math.Abs(float64(i+1)/n-delay.CDF(d)))
			}
			if independent := n * (1 - delay.Correlation) / (1 + delay.Correlation); len(seen) != n || most > 1.95/math.Sqrt(independent)+1.0/n {
				t.Errorf("%s: of %d delays the distance is %v", spec, len(seen), most)
			}
		})
	}
}

// Another fault does not shift the draws of one, nor does one in the other direction.
func TestDrawsApart(t *testing.T) {
	lost := func(specs ...string) (lost []int64) {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, lossyLike, specs...)
			x.pass(numbered(1, 1000)...)
			for _, e := range x.events {
				if e.Did == Lost && e.Fault == "loss" {
					lost = append(lost, e.Message)
				}
			}
		})
		return lost
	}
	alone := lost("loss=10%")
	if len(alone) < 50 {
		t.Errorf("%d messages are lost", len(alone))
	}
	for _, specs := range [][]string{{"loss=10%", "duplicate=50%"}, {"corrupt=20%", "loss=10%"}, {"loss=10%", "latency=5ms~5ms"}, {"down:loss=50%", "up:loss=10%"}} {
		if strings.HasPrefix(specs[0], "down") {
			specs[1] = "loss@" + specs[1]
			specs[0] = "other@" + specs[0]
		}
		if with := lost(specs...); !slices.Equal(alone, with) {
			t.Errorf("%v loses others", specs)
		}
	}
}

func TestReorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, lossyLike, "reorder=100%,2")
		x.pass("1", "2", "3")
		time.Sleep(time.Second)
		x.wants(ms(100, "1"), ms(100, "2"), ms(100, "3"))
	})
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, messageLike, "reorder=10%,3")
		x.pass(numbered(1, 1000)...)
		x.filter.End(nil)
		if took := time.Since(x.start); took != 0 {
			t.Errorf("the end waited for %v", took)
		}
		place, overtaken := map[int64]int{}, 0
		for i, text := range x.texts() {
			var n int64
			fmt.Sscan(text, &n)
			place[n] = i
		}
		for n := int64(1); n < 980; n++ {
			before := 0
			for later := n + 1; later < n+20; later++ {
				if place[later] < place[n] {
					before++
				}
			}
			if held := slices.ContainsFunc(x.events, func(e Event) bool { return e.Message == n }); held {
				overtaken++
				if before < 1 || before > 3 {
					t.Errorf("message %d was overtaken by %d", n, before)
				}
			} else if before > 0 && place[n+1] < place[n] {
				t.Errorf("message %d was overtaken by the next", n)
			}
		}
		if len(place) != 1000 || overtaken < 60 || overtaken > 140 {
			t.Errorf("%d messages came, %d were overtaken", len(place), overtaken)
		}
	})
}

func TestChanges(t *testing.T) {
	for spec, want := range map[string][]string{
		"duplicate=100%":    {"abc", "abc", "de", "de", "", ""},
		"truncate=2":        {"ab", "de", ""},
		"truncate=1,100%":   {"a", "d", ""},
		"mtu=2":             {"de", ""},
		"corrupt=0%":        {"abc", "de", ""},
		"limit=4":           {"abc", ""},
		"down,after=1h":     {"abc", "de", ""},
		"partition":         nil,
		"loss=100%,after=1": {"abc", "de", ""},
		"pairs@down:loss=1": {"abc", "de", ""},
		"loss=1,pairs=2":    {"abc", "de", ""},
		"loss=1,pairs=0%":   {"abc", "de", ""},
		"loss=1,pairs=1-3":  nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, messageLike, spec)
			for _, text := range []string{"abc", "de", ""} {
				x.filter.Pass(pieceOf(x, text))
			}
			if got := x.texts(); !slices.Equal(got, want) {
				t.Errorf("%s: what came is %q", spec, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, messageLike, "corrupt=100%")
		x.pass("abc", "")
		if got := x.texts(); len(got) != 2 || got[0] == "abc" || len(got[0]) != 3 || x.did(Corrupted) != 1 {
			t.Errorf("what came is %q", got)
		}
	})
}

// Datagrams that a rate has no room for are dropped, and counted; other messages wait.
func TestQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, lossyLike, "rate=1000B,queue=1000")
		for range 20 {
			x.pass(strings.Repeat("x", 100))
		}
		time.Sleep(time.Minute)
		if n := len(x.texts()); n < 10 || n > 11 || x.plan.Dropped() != int64(20-n) || x.did(Dropped) != 20-n {
			t.Errorf("%d came, %d were dropped", n, x.plan.Dropped())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, messageLike, "rate=1000B,queue=1000,burst=1")
		for range 20 {
			x.pass(strings.Repeat("x", 100))
		}
		if took := time.Since(x.start); took < time.Second-time.Millisecond || len(x.texts()) < 9 {
			t.Errorf("they were taken after %v", took)
		}
		x.filter.End(nil)
		if n := len(x.texts()); n != 20 || x.plan.Dropped() != 0 {
			t.Errorf("%d came, %d were dropped", n, x.plan.Dropped())
		}
	})
	synctest.Test(t, func(t *testing.T) { // the bound of all
		x := impairs(t, lossyLike, "stall")
		x.plan.Memory = 1
		for l := range x.plan.lines {
			l.bound = 1000
		}
		x.pass(numbered(1, 100)...)
		if n := x.plan.Dropped(); n != 96 {
			t.Errorf("%d were dropped", n)
		}
	})
}

// What makes no sense does nothing, and is said once.
func TestSenseless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike)
		var said []string
		x.plan.Warn = func(text string) { said = append(said, text) }
		if err := x.plan.Set(parses(t, "duplicate=100%", "mtu=1", "reorder=1", "truncate=1", "blackhole")...); err != nil {
			t.Fatal(err)
		}
		x.pass("abc", "d")
		if got := strings.Join(x.texts(), ","); got != "abc,d" || len(said) != 5 {
			t.Errorf("what came is %q, and said was %q", got, said)
		}
	})
}

// What passes freely at the end of a rate is no debt of the next time that it holds.
func TestRateAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, messageLike, "rate=1000B,burst=100,for=1s,every=10s")
		for range 60 {
			x.pass(strings.Repeat("x", 1000))
		}
		time.Sleep(10*time.Second + 10*time.Millisecond)
		begun := time.Now()
		x.pass(strings.Repeat("x", 100))
		x.filter.End(nil)
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("100 bytes took %v", took)
		}
	})
}
