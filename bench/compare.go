package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"zocalo/internal/units"
)

// A Contender is one of the two sides of a comparison.
type Contender struct {
	Name string // what it is called, such as its address
	Dial Dial
}

// A Comparison is what alternating runs of two contenders found. Its ratios
// are of speed: how many times as fast the first is as the second, whether
// the figure is better when greater, like a throughput, or when less, like a time.
type Comparison struct {
	Figure string     `json:"figure"` // what is compared, such as "throughput"
	Unit   string     `json:"unit"`   // "bit/s", "ns" or "connections/s"
	First  Contestant `json:"first"`
	Second Contestant `json:"second"`

	Verdict Verdict `json:"verdict"`
	Pairs   int     `json:"pairs"` // runs of each
	Ratio   float64 `json:"ratio"` // the median of the pairs'
	// Low and High are the confidence interval of Ratio: however many pairs
	// the comparison took, it contains the true ratio except for ErrorRate.
	// Both are 0 if there were too few pairs.
	Low  float64 `json:"low,omitempty"`
	High float64 `json:"high,omitempty"`
	// ErrorRate is how often, at most, a difference is found where there is
	// none, and Margin the relative difference that counts as none: 0.02 is 2%.
	ErrorRate float64 `json:"error_rate"`
	Margin    float64 `json:"margin"`

	Elapsed     time.Duration `json:"elapsed_ns"`
	Interrupted bool          `json:"interrupted,omitempty"`
	Remarks     []string      `json:"remarks,omitempty"`
}

// A Contestant is what the runs of one side gave.
type Contestant struct {
	Name       string     `json:"name"`
	Conditions Conditions `json:"conditions"` // of its first run
	Figures    []float64  `json:"figures"`    // of all runs, in their order
	// Latency is that of all runs together, for modes that time something.
	Latency *Histogram `json:"latency,omitempty"`
	Median  float64    `json:"median"`
	Least   float64    `json:"least"`
	Most    float64    `json:"most"`
}

// The defaults of comparisons.
const (
	DefaultCompareRun  = 200 * time.Millisecond // of one run
	DefaultCompareTime = time.Minute            // of all
	// compareMargin is what two that are alike may differ by.
	compareMargin = 0.02
)

// Compare makes alternating runs of two contenders by the options, until a
// sequential test can tell them apart or finds them alike, or the time most
// has passed; 0 or less means [DefaultCompareTime]. There is at least one pair of
// runs, and a pair that has begun is finished.
// A run lasts Duration, by default [DefaultCompareRun]. The end of ctx ends
// it early; what was found until then is returned.
func Compare(ctx context.Context, first, second Contender, o Options, most time.Duration) (*Comparison, error) {
	if most <= 0 {
		most = DefaultCompareTime
	}
	if o.Duration <= 0 && o.Count <= 0 {
		o.Duration = DefaultCompareRun
	}
	o.OnInterval = nil
	c := &comparing{options: o, sides: [2]Contender{first, second}, test: &sequential{alpha: errorRate, margin: math.Log1p(compareMargin), looks: looks}}
	begin := time.Now()
	result := &Comparison{Verdict: Undecided, ErrorRate: errorRate, Margin: compareMargin}
	for ctx.Err() == nil && !c.test.over() && (len(c.test.xs) == 0 || time.Since(begin) < most) {
		v, err := c.pair(ctx)
		if err != nil {
			return nil, err
		}
		if result.Verdict = v; v != Undecided {
			break
		}
	}
	result.Elapsed, result.Interrupted = time.Since(begin), ctx.Err() != nil
	if len(c.test.xs) == 0 {
		return nil, fmt.Errorf("nothing was compared: %w", context.Cause(ctx))
	}
	c.fill(result)
	return result, nil
}

// Comparing is a comparison that goes on.
type comparing struct {
	options Options
	sides   [2]Contender
	test    *sequential
	results [2][]*Result
	figures [2][]float64
	latency [2]*Histogram
}

// pair makes a run of each, in an order that chance decides. One that was
// interrupted does not count.
func (c *comparing) pair(ctx context.Context) (Verdict, error) {
	order := [2]int{0, 1}
	if rand.IntN(2) == 1 {
		order = [2]int{1, 0}
	}
	var got [2]*Result
	for _, side := range order {
		o := c.options
		o.Address = c.sides[side].Name
		r, err := Run(ctx, c.sides[side].Dial, o)
		if ctx.Err() != nil {
			return Undecided, nil
		}
		if err == nil && speed(r) <= 0 {
			err = fmt.Errorf("nothing was measured in %s: give a longer --duration", units.Set(r.Conditions.Duration))
		}
		if err != nil {
			return Undecided, fmt.Errorf("%s: %w", c.sides[side].Name, err)
		}
		got[side] = r
	}
	for side, r := range got {
		figure, _, _ := figureOf(r)
		c.figures[side] = append(c.figures[side], figure)
		if len(c.results[side]) == 0 {
			c.results[side] = append(c.results[side], r)
		}
		if r.Latency.Count() > 0 {
			if c.latency[side] == nil {
				c.latency[side] = NewHistogram(Nanoseconds)
			}
			c.latency[side].Merge(r.Latency)
		}
	}
	return c.test.add(math.Log(speed(got[0]) / speed(got[1]))), nil
}

// figureOf is what a result is compared by.
func figureOf(r *Result) (value float64, name, unit string) {
	switch r.Conditions.Mode {
	case Stream:
		for _, w := range r.ways() {
			value += w.known().BitsPerSecond()
		}
		return value, "throughput", "bit/s"
	case Connect:
		return perSecond(float64(r.Latency.Count()), r.Elapsed), "connections", "connections/s"
	case Loaded:
		return float64(r.Latency.Median()), "median round trip beside a stream", "ns"
	case AtRate:
		return float64(r.Latency.Median()), "median time since a request was due", "ns"
	}
	if r.Conditions.Depth > 1 || r.Conditions.Flows > 1 {
		return r.Near.Received.MessagesPerSecond(), "answers", "answers/s"
	}
	return float64(r.Latency.Median()), "median round trip", "ns"
}

// speed is the figure, or one over it for times.
func speed(r *Result) float64 {
	v, _, unit := figureOf(r)
	if unit == "ns" && v > 0 {
		return 1 / v
	}
	return v
}

// fill puts the result together.
func (c *comparing) fill(r *Comparison) {
	_, r.Figure, r.Unit = figureOf(c.results[0][0])
	for side, to := range []*Contestant{&r.First, &r.Second} {
		sorted := slices.Sorted(slices.Values(c.figures[side]))
		*to = Contestant{
			Name: c.sides[side].Name, Conditions: c.results[side][0].Conditions, Figures: c.figures[side], Latency: c.latency[side],
			Median: middle(sorted), Least: sorted[0], Most: sorted[len(sorted)-1],
		}
	}
	r.Pairs, r.Ratio = len(c.test.xs), math.Exp(c.test.median())
	if low, high := c.test.interval(); !math.IsInf(low, 0) {
		r.Low, r.High = math.Exp(low), math.Exp(high)
	}
}

// middle is the median of figures that are sorted, of which there is one.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Words says in a sentence what was found.
func (r *Comparison) Words() string {
	interval := ""
	if r.High > 0 {
		interval = fmt.Sprintf(", %.3g to %.3g with %.0f%% confidence", r.Low, r.High, 100*(1-r.ErrorRate))
	}
	fast, slow, ratio, low, high := r.First.Name, r.Second.Name, r.Ratio, r.Low, r.High
	if ratio < 1 {
		fast, slow, ratio, low, high = slow, fast, 1/ratio, 1/r.High, 1/r.Low
	}
	switch r.Verdict {
	case Different:
		return fmt.Sprintf("%s is %.3g times as fast as %s by its %s (%.3g to %.3g with %.0f%% confidence).", fast, ratio, slow, r.Figure, low, high, 100*(1-r.ErrorRate))
	case Alike:
		return fmt.Sprintf("%s and %s are alike in their %s: the ratio is 1 within %.0f%% (%.3g%s).", r.First.Name, r.Second.Name, r.Figure, 100*r.Margin, r.Ratio, interval)
	}
	return fmt.Sprintf("Undecided: no difference between %s and %s in their %s was shown, nor ruled out: the ratio may be %.3g%s.", r.First.Name, r.Second.Name, r.Figure, r.Ratio, interval)
}

// WriteText writes the comparison for people, with the conditions of both.
func (r *Comparison) WriteText(w io.Writer) error {
	var b strings.Builder
	b.WriteString(r.Words() + "\n\n")
	value := func(v float64) string {
		if r.Unit == "ns" {
			return units.Time(time.Duration(v))
		}
		return amount(v, r.Unit)
	}
	rows := [][]string{{r.Figure, "median", "min", "max", "runs"}}
	for _, c := range []*Contestant{&r.First, &r.Second} {
		rows = append(rows, []string{c.Name, value(c.Median), value(c.Least), value(c.Most), units.Count(int64(len(c.Figures)))})
	}
	writeTable(&b, rows)
	fmt.Fprintf(&b, "\n%s of alternating runs in %s; at most %.0f%% of comparisons find a difference where there is none\n", units.Plural(r.Pairs, "pair"), units.Time(r.Elapsed), 100*r.ErrorRate)
	for _, remark := range r.Remarks {
		fmt.Fprintf(&b, "note: %s\n", remark)
	}
	for _, c := range []*Contestant{&r.First, &r.Second} {
		fmt.Fprintf(&b, "\n%s\n", c.Name)
		writeRows(&b, c.Conditions.rows())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
