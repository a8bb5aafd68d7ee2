package impair_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"zocalo/internal/impair"
)

const (
	draws  = 200_000
	golden = 15022191026933135042
)

// The mean share of losses is what is stated, within five standard deviations.
func TestShares(t *testing.T) {
	ge := impair.GilbertElliott{ToBad: 0.01, ToGood: 0.3, LostBad: 1, LostGood: 0.001}
	for name, test := range map[string]struct {
		loss impair.Loss
		want float64
		wide float64 // how much wider than that of independent losses the deviation is
	}{
		"share":  {impair.Share(0.1), 0.1, 1},
		"none":   {impair.Share(0), 0, 1},
		"all":    {impair.Share(1), 1, 1},
		"ge":     {&ge, ge.Mean(), 3},
		"bursts": {&impair.Bursts{Share: 0.05, Length: 10}, 0.05, 4},
		"every":  {&impair.Every{N: 4}, 0.25, 1},
	} {
		r, lost := impair.New(1, 1, 0, name), 0
		for range draws {
			if test.loss.Lost(r) {
				lost++
			}
		}
		deviation := math.Sqrt(test.want * (1 - test.want) / draws)
		if got := float64(lost) / draws; math.Abs(got-test.want) > 5*test.wide*deviation {
			t.Errorf("%s: %v of all are lost; want %v", name, got, test.want)
		}
	}
}

// Losses of a share are independent: of pairs in a row each sort is as frequent as the share says (chi-square of
// 3 degrees of freedom, 0.1 %).
func TestLossIndependent(t *testing.T) {
	r, share := impair.New(7, 1, 0, "loss"), 0.2
	var seen [4]float64
	for range draws {
		i := 0
		for range 2 {
			i *= 2
			if impair.Share(share).Lost(r) {
				i++
			}
		}
		seen[i]++
	}
	chi := 0.0
	for i, p := range []float64{(1 - share) * (1 - share), share * (1 - share), share * (1 - share), share * share} {
		want := p * draws
		chi += (seen[i] - want) * (seen[i] - want) / want
	}
	if chi > 16.27 {
		t.Errorf("chi-square is %v", chi)
	}
}

// Bursts are as long as they are said to be, or several of them.
func TestBurstLength(t *testing.T) {
	r, b, row := impair.New(1, 1, 0, "loss"), impair.Bursts{Share: 0.1, Length: 7}, 0
	for range draws {
		switch {
		case b.Lost(r):
			row++
		case row%7 != 0:
			t.Fatalf("a burst of %d", row)
		default:
			row = 0
		}
	}
}

// Delays are distributed as stated (Kolmogorov and Smirnov, 0.1 %), with correlation too, and are then correlated.
func TestDelays(t *testing.T) {
	samples := []time.Duration{30, 10, 20, 10, 1000}
	impair.SortSamples(samples)
	for name, d := range map[string]impair.Delay{
		"uniform":            {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond},
		"normal":             {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Shape: impair.Normal},
		"pareto":             {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Shape: impair.Pareto},
		"samples":            {Samples: samples},
		"correlated uniform": {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Correlation: 0.25},
		"correlated pareto":  {Mean: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Shape: impair.Pareto, Correlation: 0.25},
	} {
		r := impair.New(1, 1, 0, name)
		seen := make([]time.Duration, draws)
		for i := range seen {
			seen[i] = d.Next(r)
		}
		correlation := correlationOf(seen)
		// What is correlated counts as fewer draws.
		n := draws * (1 - d.Correlation) / (1 + d.Correlation)
		if ks := distance(seen, d.CDF); ks > 1.95/math.Sqrt(n) {
			t.Errorf("%s: the distance is %v", name, ks)
		}
		if name != "samples" && d.Shape != impair.Pareto && math.Abs(correlation-d.Correlation) > 0.03 {
			t.Errorf("%s: the correlation is %v", name, correlation)
		}
	}
	fixed := impair.Delay{Mean: time.Second}
	if got := fixed.Next(nil); got != time.Second || fixed.CDF(got) != 1 || fixed.CDF(got-1) != 0 {
		t.Errorf("a fixed delay is %v", got)
	}
	never := impair.Delay{Mean: time.Millisecond, Jitter: time.Second, Shape: impair.Normal}
	for r := impair.New(1, 1, 0, ""); ; {
		if d := never.Next(r); d < 0 {
			t.Fatalf("a delay of %v", d)
		} else if d == 0 {
			break
		}
	}
}

// distance is the statistic of Kolmogorov and Smirnov. It sorts seen.
func distance(seen []time.Duration, cdf func(time.Duration) float64) (most float64) {
	impair.SortSamples(seen)
	for i, d := range seen {
		if i+1 == len(seen) || seen[i+1] != d {
			most = max(most, math.Abs(float64(i+1)/float64(len(seen))-cdf(d)))
		}
	}
	return most
}

func correlationOf(seen []time.Duration) float64 {
	mean := 0.0
	for _, d := range seen {
		mean += float64(d) / float64(len(seen))
	}
	var both, own float64
	for i := range seen[1:] {
		both += (float64(seen[i]) - mean) * (float64(seen[i+1]) - mean)
		own += (float64(seen[i]) - mean) * (float64(seen[i]) - mean)
	}
	return both / own
}

// Each seed, pair, direction and fault has draws of its own, and always the same.
func TestGenerators(t *testing.T) {
	first := func(r *rand.Rand) uint64 { return r.Uint64() }
	seen := map[uint64]bool{}
	for seed := range uint64(5) {
		for pair := range int64(5) {
			for direction := range 2 {
				for _, fault := range []string{"loss", "latency", "latency#2"} {
					seen[first(impair.New(seed, pair, direction, fault))] = true
				}
			}
		}
	}
	if len(seen) != 5*5*2*3 {
		t.Errorf("%d of %d generators differ", len(seen), 5*5*2*3)
	}
	if a, b := first(impair.New(42, 1, 0, "loss")), first(impair.New(42, 1, 0, "loss")); a != b {
		t.Errorf("the same generator begins with %d and %d", a, b)
	}
	// What is promised to be repeatable stays so from release to release.
	if got := first(impair.New(42, 1, 0, "loss")); got != golden {
		t.Errorf("seed 42 begins with %d, and did with %d", got, uint64(golden))
	}
}

func TestShaper(t *testing.T) {
	s := impair.Shaper{Rate: 1000, Burst: 100}
	for _, step := range []struct {
		now  time.Duration
		n    int
		want time.Duration
	}{
		{10 * time.Second, 100, 10 * time.Second}, // the burst
		{10 * time.Second, 100, 10*time.Second + 100*time.Millisecond},
		{10 * time.Second, 50, 10*time.Second + 150*time.Millisecond},
		{10*time.Second + 150*time.Millisecond, 50, 10*time.Second + 200*time.Millisecond},
		{20 * time.Second, 200, 20*time.Second + 100*time.Millisecond},
	} {
		if at, ok := s.Take(step.now, step.n); at != step.want || !ok {
			t.Errorf("%d bytes at %v leave at %v, %v; want %v", step.n, step.now, at, ok, step.want)
		}
	}
	s.Set(0, 0)
	if _, ok := s.Take(time.Minute, 1); ok {
		t.Error("a byte leaves at no rate")
	}
	s.Set(1, 0)
	s.Reset()
	if at, _ := s.Take(0, 2); at != 2*time.Second {
		t.Errorf("two bytes at 1 B/s leave at %v", at)
	}
}

func TestFlip(t *testing.T) {
	b := []byte{0, 0}
	impair.Flip(b, 9)
	impair.Flip(b, 16)
	impair.Flip(nil, 3)
	if b[0] != 1 || b[1] != 2 {
		t.Errorf("flipped to %v", b)
	}
}
