package impair

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A Shape is how delays are distributed around their mean.
type Shape uint8

// The shapes. Jitter is the half width of Uniform, and the standard deviation of Normal and Pareto.
const (
	Uniform Shape = iota
	Normal        // what comes out below 0 is 0
	Pareto        // of index 3: most are below the mean, and a few far above
)

var shapeNames = [...]string{"uniform", "normal", "pareto"}

// String returns the shape's name, as "normal".
func (s Shape) String() string { return shapeNames[s] }

// A Delay draws how long things take.
type Delay struct {
	Mean, Jitter time.Duration
	Shape        Shape

	// Correlation is that of each delay with the one before, from 0 to below 1, by a normal copula: the
	// distribution stays what Shape says, whatever the correlation.
	Correlation float64

	// Samples, if any, are the distribution, in place of Mean, Jitter and Shape: each is as likely. They are
	// in order, see [SortSamples].
	Samples []time.Duration

	last   float64 // the normal variate of the delay before
	begins bool    // there was one
}

// SortSamples puts samples in order, for [Delay].
func SortSamples(samples []time.Duration) { slices.Sort(samples) }

// Varies reports whether delays differ.
func (d *Delay) Varies() bool { return d.Jitter > 0 || len(d.Samples) > 0 }

// Next returns the next delay, never less than 0. It draws nothing where delays do not differ.
func (d *Delay) Next(r *rand.Rand) time.Duration {
	if !d.Varies() {
		return d.Mean
	}
	z := r.NormFloat64()
	if c := d.Correlation; c > 0 && d.begins {
		z = c*d.last + math.Sqrt(1-c*c)*z
	}
	d.last, d.begins = z, true
	if d.Samples == nil && d.Shape == Normal {
		return d.around(z)
	}
	u := math.Erfc(-z/math.Sqrt2) / 2 // uniform from 0 to 1
	switch {
	case d.Samples != nil:
		return d.Samples[min(int(u*float64(len(d.Samples))), len(d.Samples)-1)]
	case d.Shape == Pareto:
		above := math.Erfc(z/math.Sqrt2) / 2 // 1-u, exact in the tail
		return d.around((math.Pow(max(above, 1e-300), -1.0/paretoIndex) - paretoMean) / paretoDeviation)
	}
	return d.around(2*u - 1)
}

// Of a Pareto distribution with scale 1.
const (
	paretoIndex     = 3
	paretoMean      = paretoIndex / (paretoIndex - 1.0)
	paretoDeviation = 0.86602540378443864676 // sqrt(index / ((index-1)² (index-2)))
)

func (d *Delay) around(x float64) time.Duration {
	v := float64(d.Mean) + x*float64(d.Jitter)
	return time.Duration(min(max(v, 0), math.MaxInt64/2))
}

// CDF returns the share of delays that are at most t in the long run.
func (d *Delay) CDF(t time.Duration) float64 {
	switch {
	case t < 0:
		return 0
	case d.Samples != nil:
		n, found := slices.BinarySearch(d.Samples, t)
		for found && n < len(d.Samples) && d.Samples[n] == t {
			n++
		}
		return float64(n) / float64(len(d.Samples))
	case d.Jitter <= 0:
		if t < d.Mean {
			return 0
		}
		return 1
	}
	x := float64(t-d.Mean) / float64(d.Jitter)
	switch d.Shape {
	case Normal:
		return math.Erfc(-x/math.Sqrt2) / 2
	case Pareto:
		return 1 - math.Pow(max(x*paretoDeviation+paretoMean, 1), -paretoIndex)
	}
	return min(max((x+1)/2, 0), 1)
}
