package fault

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"zocalo/relay/join"
)

// What passes when nothing holds it goes at once, and in the hands of who brought it.
func TestNothing(t *testing.T) {
	x := impairs(t, bytesLike)
	x.block = nil
	x.pass("a", "b")
	if got := strings.Join(x.texts(), ","); got != "a,b" {
		t.Errorf("what passed is %q", got)
	}
	x.filter.End(nil)
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "latency=100ms")
		x.pass("a")
		time.Sleep(30 * time.Millisecond)
		x.pass("b", "c")
		x.filter.End(nil) // travels like the rest
		if took := time.Since(x.start); took != 230*time.Millisecond-100*time.Millisecond {
			t.Errorf("the end came after %v", took)
		}
		x.wants(ms(100, "a"), ms(130, "b"), ms(130, "c"))
	})
}

// Jitter does not change the order of a stream, nor where its end is.
func TestJitterKeepsOrder(t *testing.T) {
	for _, spec := range []string{"latency=50ms~50ms", "latency=50ms~20ms,normal", "latency=50ms~20ms,pareto,corr=50%", "latency=50ms~50ms,reorder"} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, bytesLike, spec)
			want := ""
			for i := range 200 {
				text := string(rune('a' + i%26))
				want += text
				x.pass(text)
				time.Sleep(time.Millisecond)
			}
			x.filter.End(nil)
			if got := strings.Join(x.texts(), ""); got != want {
				t.Errorf("%s: what came is %q", spec, got)
			}
		})
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "rate=1000B,burst=100")
		x.pass(strings.Repeat("x", 1100))
		x.filter.End(nil)
		if took := time.Since(x.start); took != time.Second {
			t.Errorf("1100 bytes took %v", took)
		}
		if n := len(strings.Join(x.texts(), "")); n != 1100 {
			t.Errorf("%d bytes came", n)
		}
	})
}

// A rate makes the sender wait, however slow it is.
func TestRateWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "latency=0s", "rate=64KiB")
		for range 20 {
			x.pass(strings.Repeat("x", 64<<10))
		}
		if took := time.Since(x.start); took < 16*time.Second || took > 19*time.Second {
			t.Errorf("20 pieces were taken after %v", took)
		}
		x.filter.End(nil)
		if took := time.Since(x.start).Round(10 * time.Millisecond); took != 19990*time.Millisecond {
			t.Errorf("20 pieces passed in %v", took)
		}
	})
}

// Nothing is missing, however much of a stream is lost.
func TestLossPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "loss=50%,pause=1s")
		text := strings.Repeat("0123456789", 2000)
		x.pass(text[:7000], text[7000:7001], text[7001:])
		x.filter.End(nil)
		if got := strings.Join(x.texts(), ""); got != text {
			t.Errorf("%d bytes came of %d", len(got), len(text))
		}
		if paused := x.did(Paused); paused < 4 || paused > 12 {
			t.Errorf("%d pauses for 14 segments", paused)
		}
		if took := time.Since(x.start); took < 4*time.Second {
			t.Errorf("they took %v", took)
		}
	})
}

// The log of a stream's loss, corruption and slices depends on its bytes alone, not on how they are read.
func TestLogOfStreams(t *testing.T) {
	text := strings.Repeat("0123456789", 3000)
	log := func(piece int) (events, got string) {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, bytesLike, "loss=20%,pause=1ms", "corrupt=30%", "slices=100~50,1ms", "latency=5ms")
			for at := 0; at < len(text); at += piece {
				x.pass(text[at:min(at+piece, len(text))])
			}
			x.filter.End(nil)
			for _, e := range x.events {
				if e.Loose {
					continue
				}
				events += string(e.AppendJSON(nil))
			}
			got = strings.Join(x.texts(), "")
		})
		return events, got
	}
	one, first := log(len(text))
	sorted := func(log string) string {
		lines := strings.Split(log, "\n")
		return strings.Join(sortedLines(lines), "\n")
	}
	for _, piece := range []int{1, 100, 1448, 9999} {
		if other, second := log(piece); sorted(one) != sorted(other) || first != second {
			t.Errorf("cut into %d bytes the log or the data differ: %v\n%s", piece, first == second, cmp.Diff(sorted(one), sorted(other)))
		}
	}
	if first == text || len(first) != len(text) {
		t.Error("nothing was corrupted, or something is missing")
	}
}

func TestSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "slices=2,10ms")
		x.pass("abcde")
		time.Sleep(time.Second)
		x.pass("fg")
		x.filter.End(nil)
		x.wants(ms(0, "ab"), ms(10, "cd"), ms(20, "e"), ms(1000, "f"), ms(1000, "g"))
	})
}

func TestSlowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "slow-open=1s", "slow-close=2s")
		x.pass("a")
		time.Sleep(1500 * time.Millisecond)
		x.pass("b")
		x.filter.End(nil)
		x.wants(ms(1000, "a"), ms(1500, "b"))
		if took := time.Since(x.start); took != 3500*time.Millisecond {
			t.Errorf("the end came after %v", took)
		}
	})
}

func TestStallAndPartition(t *testing.T) {
	for _, effect := range []string{"stall", "partition"} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, bytesLike, effect+",after=1s,for=1s,every=10s,times=2")
			for range 14 {
				x.pass("x")
				time.Sleep(time.Second)
			}
			x.filter.End(nil)
			want := []came{}
			for _, at := range []float64{0, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 12, 13} {
				want = append(want, ms(1000*at, "x"))
			}
			x.wants(want...)
			if x.did(Began) != 2 || x.did(Ended) != 2 {
				t.Errorf("it began %d times, and ended %d times", x.did(Began), x.did(Ended))
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "timeout=3s")
		x.pass("swallowed")
		x.filter.End(nil)
		x.wants(came{what: join.CloseBoth, at: 3 * time.Second})
	})
	synctest.Test(t, func(t *testing.T) { // without traffic
		x := impairs(t, bytesLike, "timeout=3s,after=1s")
		time.Sleep(time.Minute)
		x.wants(came{what: join.CloseBoth, at: 4 * time.Second})
	})
	synctest.Test(t, func(t *testing.T) { // 0 is never, until it is removed
		x := impairs(t, bytesLike, "timeout=0")
		x.pass("swallowed")
		time.Sleep(time.Hour)
		x.wants()
		x.plan.Lookup("timeout").Remove()
		synctest.Wait()
		x.wants(came{what: join.CloseBoth, at: time.Hour})
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "limit=5", "latency=1s")
		x.pass("abc")
		x.pass("def")
		x.filter.End(nil)
		x.wants(ms(1000, "abc"), ms(1000, "de"), came{what: join.CloseBoth, at: time.Second})
	})
}

func TestReset(t *testing.T) {
	for spec, want := range map[string][]came{
		"reset=2s":     {ms(0, "abc"), {what: join.ResetBoth, at: 2 * time.Second}},
		"reset=2B":     {ms(0, "ab"), {what: join.ResetBoth}},
		"reset":        {{what: join.ResetBoth}},
		"down":         {{what: join.ResetBoth}},
		"down,after=1": {ms(0, "abc"), {what: join.ResetBoth, at: time.Second}},
	} {
		synctest.Test(t, func(t *testing.T) {
			x := impairs(t, bytesLike, spec)
			synctest.Wait()
			x.filter.Pass(pieceOf(x, "abc"))
			time.Sleep(time.Minute)
			x.wants(want...)
		})
	}
}

// An end that is none in order drops what is held, and ends the wait for room.
func TestEndsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "stall")
		x.pass("held")
		x.filter.End(errReset)
		synctest.Wait()
		x.wants()
	})
	synctest.Test(t, func(t *testing.T) { // the pair is over
		x := impairs(t, bytesLike, "stall")
		x.plan.Memory = 1
		x.pass("held")
		time.AfterFunc(time.Second, x.end)
		x.filter.End(nil)
		if took := time.Since(x.start); took != time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

// What passed while the fault did not hold is not lost once it holds again.
func TestLossBetweenWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := impairs(t, bytesLike, "loss=10%,pause=1s,for=1s,every=10s")
		x.pass("a")
		time.Sleep(2 * time.Second)
		for range 100 {
			x.pass(strings.Repeat("x", 10*segment))
		}
		time.Sleep(8*time.Second + 100*time.Millisecond)
		x.pass("b")
		x.filter.End(nil)
		if n, took := x.did(Paused), time.Since(x.start); n > 1 || took > 20*time.Second {
			t.Errorf("%d pauses for 2 bytes, which took %v", n, took)
		}
	})
}
