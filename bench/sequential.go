package bench

import (
	"math"
	"math/rand/v2"
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
// the logarithms are therefore symmetric about 0, whatever else goes on, and
// each pattern of signs is as likely as another: a difference is found only
// if few patterns would give a mean so far from 0 (Fisher's randomization
// test), which supposes nothing more of how run times are distributed. The
// confidence interval is Student's, which supposes a little, and must agree.
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
	for _, n := range q.looks {
		if n == len(q.xs) {
			return q.verdict(q.interval())
		}
	}
	return Undecided
}

// over reports whether there are no more looks.
func (q *sequential) over() bool { return len(q.xs) >= q.looks[len(q.looks)-1] }

func (q *sequential) verdict(low, high float64) Verdict {
	switch {
	case (low > 0 || high < 0) && q.chance() <= q.share():
		return Different
	case low > -q.margin && high < q.margin:
		return Alike
	}
	return Undecided
}

// share is the error rate of one look.
func (q *sequential) share() float64 { return q.alpha / float64(len(q.looks)) }

// Up to so many pairs all patterns of signs are tried; beyond, as many at
// random, which with the one that was seen are a valid test too.
const (
	mostExact = 13
	flips     = 9999
)

// chance is the part of the patterns of signs whose mean is as far from 0 as
// that which was seen.
func (q *sequential) chance() float64 {
	n := len(q.xs)
	seen := math.Abs(q.mean()) * float64(n) * (1 - 1e-12)
	far, all := 0, flips
	random := rand.New(rand.NewPCG(uint64(n), 1))
	if n <= mostExact {
		all = 1 << n
	}
	for i := range all {
		signs := uint64(i)
		sum := 0.0
		for at, x := range q.xs {
			if n > mostExact && at%64 == 0 {
				signs = random.Uint64()
			}
			if signs>>(at%64)&1 == 0 {
				x = -x
			}
			sum += x
		}
		if math.Abs(sum) >= seen {
			far++
		}
	}
	if n > mostExact {
		return float64(far+1) / float64(all+1)
	}
	return float64(far) / float64(all)
}

// mean is that of the logarithms.
func (q *sequential) mean() float64 {
	sum := 0.0
	for _, x := range q.xs {
		sum += x
	}
	return sum / float64(max(len(q.xs), 1))
}

// interval is the confidence interval of the mean, infinite for fewer than two.
func (q *sequential) interval() (low, high float64) {
	n := float64(len(q.xs))
	if n < 2 {
		return math.Inf(-1), math.Inf(1)
	}
	m, squares := q.mean(), 0.0
	for _, x := range q.xs {
		squares += (x - m) * (x - m)
	}
	d := studentQuantile(1-q.share()/2, n-1) * math.Sqrt(squares/(n-1)/n)
	return m - d, m + d
}

// studentQuantile is the p-quantile of Student's distribution, for p from
// one half to 1.
func studentQuantile(p, freedom float64) float64 {
	low, high := 0.0, 1.0
	for studentCDF(high, freedom) < p && high < 1e12 {
		high *= 2
	}
	for range 100 {
		if mid := (low + high) / 2; studentCDF(mid, freedom) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// studentCDF is the distribution function of Student's distribution, for t of
// 0 or more.
func studentCDF(t, freedom float64) float64 {
	return 1 - incompleteBeta(freedom/2, 0.5, freedom/(freedom+t*t))/2
}

// incompleteBeta is the regularized incomplete beta function, by its
// continued fraction (Abramowitz and Stegun, 26.5.8).
func incompleteBeta(a, b, x float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) {
		return 1 - incompleteBeta(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	// Evaluated from the front by Lentz's method.
	const tiny = 1e-300
	f, c, d := 1.0, 1.0, 0.0
	for i := range 500 {
		m := float64(i / 2)
		numerator := 1.0
		switch {
		case i == 0:
		case i%2 == 0:
			numerator = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			numerator = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + numerator*d; math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		if c = 1 + numerator/c; math.Abs(c) < tiny {
			c = tiny
		}
		f *= c * d
		if math.Abs(c*d-1) < 1e-14 {
			break
		}
	}
	return front * (f - 1)
}
