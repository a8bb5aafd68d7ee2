package bench

import (
	"math"
	"slices"
)

// A sequential test asks of pairs of figures, as they come, whether one side
// is the greater, and stops as soon as it can tell.
//
// It looks at the logarithms of the ratios at certain numbers of pairs, and
// spends an equal part of the error rate on each look: so all together are
// wrong no more often than that rate (Bonferroni's inequality), however the
// looks hang together, and whenever it stops.
//
// Within a pair chance decides which side comes first. Without a difference
// each logarithm is therefore as likely above 0 as below, whatever else goes
// on: how many are above is tossing coins (the sign test), and supposes
// nothing of how run times are distributed. The same counting gives the
// confidence interval of the median, from one of the sorted logarithms to
// another; a difference is found where that does not hold 0.
type sequential struct {
	alpha  float64 // the error rate
	margin float64 // a logarithm of ratios that nobody cares about
	looks  []int   // numbers of pairs
	xs     []float64
}

// looks are those of every test: some 1.4 times as many pairs each time. With
// fewer than 9, no pattern of signs is rare enough.
var looks = []int{9, 13, 18, 25, 36, 50, 70}

// errorRate is how often a difference may be found where there is none.
const errorRate = 0.05

// A Verdict is what a comparison found.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = "undecided"
	Different Verdict = "different" // the ratio is not 1
	Alike     Verdict = "alike"     // the ratio is 1 within the margin
)

// add takes the logarithm of one more ratio. At a look it returns the verdict.
func (q *sequential) add(x float64) Verdict {
	q.xs = append(q.xs, x)
	if !slices.Contains(q.looks, len(q.xs)) {
		return Undecided
	}
	switch low, high := q.interval(); {
	case low > 0 || high < 0:
		return Different
	case low > -q.margin && high < q.margin:
		return Alike
	}
	return Undecided
}

// over reports whether there are no more looks.
func (q *sequential) over() bool { return len(q.xs) >= q.looks[len(q.looks)-1] }

// median is that of the logarithms.
func (q *sequential) median() float64 { return middle(slices.Sorted(slices.Values(q.xs))) }

// interval is the confidence interval of the median at the error rate of one
// look, infinite for too few pairs.
func (q *sequential) interval() (low, high float64) {
	n := len(q.xs)
	// Of n coins, how likely it is that at most so many show heads, or tails.
	chance, outside := math.Ldexp(2, -n), 0
	for sum := chance; sum <= q.alpha/float64(len(q.looks)); sum += chance {
		outside++
		chance *= float64(n-outside+1) / float64(outside)
	}
	if outside == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	sorted := slices.Sorted(slices.Values(q.xs))
	return sorted[outside-1], sorted[n-outside]
}
