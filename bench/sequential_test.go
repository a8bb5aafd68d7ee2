package bench

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestInterval compares with the tables of the sign test: of n sorted values the
// k-th from either end bound the median but for the given error rate.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		n, k  int
		alpha float64
	}{{5, 0, 0.05}, {6, 1, 0.05}, {8, 1, 0.05}, {9, 2, 0.05}, {10, 2, 0.05}, {20, 6, 0.05}, {20, 4, 0.01}, {50, 18, 0.05}, {70, 27, 0.05}} {
		q := &sequential{alpha: c.alpha, looks: []int{1}}
		for i := range c.n {
			q.xs = append(q.xs, float64(c.n-i))
		}
		want := [2]float64{float64(c.k), float64(c.n + 1 - c.k)}
		if c.k == 0 {
			want = [2]float64{math.Inf(-1), math.Inf(1)}
		}
		if low, high := q.interval(); low != want[0] || high != want[1] {
			t.Errorf("the interval of 1 to %d at an error rate of %v is %v to %v, want %v", c.n, c.alpha, low, high, want)
		}
	}
}

// noises are what run times do, around 0.
var noises = map[string]func(*rand.Rand) float64{
	"normal":     func(r *rand.Rand) float64 { return 0.1 * r.NormFloat64() },
	"outliers":   func(r *rand.Rand) float64 { return 0.05*r.NormFloat64() + float64(r.IntN(10)/9)*2*(r.Float64()-0.5) },
	"heavy tail": func(r *rand.Rand) float64 { return 0.02 * math.Tan(math.Pi*(r.Float64()-0.5)) },
	"order":      func(r *rand.Rand) float64 { return 0.1*float64(2*r.IntN(2)-1) + 0.01*r.NormFloat64() }, // whoever is first is faster
	"two values": func(r *rand.Rand) float64 { return 0.1 * float64(2*r.IntN(2)-1) * (1 + 0.01*r.Float64()) },
}

// run makes one test to its end.
func (q *sequential) run(next func() float64) Verdict {
	for !q.over() {
		if v := q.add(next()); v != Undecided {
			return v
		}
	}
	return Undecided
}

// TestFalsePositives counts how often a difference is found where there is
// none: no more often than the error rate says.
func TestFalsePositives(t *testing.T) {
	trials, alpha := 600, errorRate
	if raceEnabled {
		trials = 150 // it watches no memory that is shared
	}
	for name, noise := range noises {
		r := rand.New(rand.NewPCG(5, 6))
		wrong := 0
		for range trials {
			q := &sequential{alpha: alpha, looks: looks}
			if q.run(func() float64 { return noise(r) }) == Different {
				wrong++
			}
		}
		rate := float64(wrong) / float64(trials)
		t.Logf("%s: wrong in %.2f%% of %d", name, 100*rate, trials)
		// Four standard errors above the rate that is stated.
		if rate > alpha+4*math.Sqrt(alpha*(1-alpha)/float64(trials)) {
			t.Errorf("%s: a difference was found in %.2f%% of the trials, stated are %v%%", name, 100*rate, 100*alpha)
		}
	}
}

// TestPower sees that true differences are found, and the interval holds
// the truth.
func TestPower(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const trials = 1000
	truth := math.Log(1.2)
	found, held := 0, 0
	for range trials {
		q := &sequential{alpha: 0.05, looks: looks}
		if q.run(func() float64 { return truth + 0.1*r.NormFloat64() }) == Different && q.median() > 0 {
			found++
		}
		if low, high := q.interval(); low <= truth && truth <= high {
			held++
		}
	}
	if found < trials*99/100 || held < trials*95/100 {
		t.Errorf("of %d trials, the difference was found in %d and the interval held the truth in %d", trials, found, held)
	}
	q := &sequential{alpha: 0.05, looks: looks, margin: 0.05}
	if v := q.run(func() float64 { return 0.01 * r.NormFloat64() }); v != Alike {
		t.Errorf("two that are alike are found %s", v)
	}
}

func TestMiddle(t *testing.T) {
	for want, of := range map[float64][]float64{7: {7}, 2: {1, 3}, 5: {1, 5, 100}, 6: {1, 5, 7, 100}} {
		if got := middle(of); got != want {
			t.Errorf("the median of %v is %v, want %v", of, got, want)
		}
	}
}
