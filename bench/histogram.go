package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Unit is what the values of a histogram count.
type Unit string

// The units.
const (
	Nanoseconds Unit = "ns"
	Messages    Unit = "messages"
)

// The range of a histogram, and its precision: three significant digits. A
// value beyond it counts as the greatest, and is known exactly to Max alone.
const (
	greatestValue     = int64(time.Hour)
	significantDigits = 3
)

// A Histogram is a distribution of measured values, mostly durations in
// nanoseconds: an HDR histogram, so that its percentiles are exact to three
// significant digits whatever the range, with the exact least and greatest
// value, and the exact mean. It takes some 200 KiB, and Record allocates nothing.
//
// It is not for several goroutines at once: each has its own, and Merge puts
// them together.
type Histogram struct {
	unit     Unit
	hdr      *hdrhistogram.Histogram
	min, max int64
	sum      float64
}

// NewHistogram returns an empty histogram of values of the unit.
func NewHistogram(unit Unit) *Histogram {
	return &Histogram{unit: unit, hdr: hdrhistogram.New(1, greatestValue, significantDigits)}
}

// Record adds one value. A negative one, as a clock that was set back gives
// it, counts as 0.
func (h *Histogram) Record(v int64) { h.add(v, 1) }

// RecordTime adds one duration.
func (h *Histogram) RecordTime(d time.Duration) { h.add(int64(d), 1) }

func (h *Histogram) add(v, n int64) {
	v = max(v, 0)
	if h.hdr.TotalCount() == 0 {
		h.min, h.max = v, v
	}
	h.min, h.max = min(h.min, v), max(h.max, v)
	h.sum += float64(v) * float64(n)
	h.hdr.RecordValues(min(v, greatestValue), n) // cannot fail: v is within the range
}

// Merge adds all values of another histogram, which may be nil.
func (h *Histogram) Merge(other *Histogram) {
	if other == nil || other.Count() == 0 {
		return
	}
	if h.Count() == 0 {
		h.min, h.max = other.min, other.max
	}
	h.min, h.max = min(h.min, other.min), max(h.max, other.max)
	h.sum += other.sum
	h.hdr.Merge(other.hdr)
}

// Reset forgets all values.
func (h *Histogram) Reset() {
	h.hdr.Reset()
	h.min, h.max, h.sum = 0, 0, 0
}

// Unit returns what the values count.
func (h *Histogram) Unit() Unit { return h.unit }

// Count returns how many values there are; 0 for a nil histogram.
func (h *Histogram) Count() int64 {
	if h == nil {
		return 0
	}
	return h.hdr.TotalCount()
}

// Min returns the least value, 0 where there is none.
func (h *Histogram) Min() int64 { return h.min }

// Max returns the greatest value, 0 where there is none.
func (h *Histogram) Max() int64 { return h.max }

// Mean returns the mean of the values, 0 where there is none.
func (h *Histogram) Mean() float64 {
	if h.Count() == 0 {
		return 0
	}
	return h.sum / float64(h.Count())
}

// beyond is how many values must lie above a percentile for it to be told:
// with fewer, it says more of chance than of what was measured.
const beyond = 10

// Percentile returns the value that so many percent of the values do not
// exceed. It is not ok where too few values lie above it to tell: at least 10
// must, so the median needs 20 values, and the 99.99th percentile 100 000.
func (h *Histogram) Percentile(percent float64) (v int64, ok bool) {
	if h == nil || !(percent >= 0 && percent <= 100) {
		return 0, false
	}
	if float64(h.Count())*(100-percent)/100 < beyond*(1-1e-12) {
		return 0, false
	}
	return min(h.hdr.ValueAtPercentile(percent), h.max), true
}

// Median returns the middle value, of however few there are; 0 where there is
// none.
func (h *Histogram) Median() int64 {
	if h.Count() == 0 {
		return 0
	}
	return min(h.hdr.ValueAtPercentile(50), h.max)
}

// percentiles are those that reports show, see [Histogram.Percentile].
var percentiles = []float64{50, 75, 90, 95, 99, 99.9, 99.99}

// percentileName is what a percentile is called, such as "p99.9".
func percentileName(p float64) string { return "p" + strconv.FormatFloat(p, 'f', -1, 64) }

// A Bar is how many values are From to To, both included.
type Bar struct{ From, To, Count int64 }

// Bars returns the values that there are, from the least, in steps of the
// histogram's precision.
func (h *Histogram) Bars() []Bar {
	var bars []Bar
	for _, b := range h.hdr.Distribution() {
		if b.Count > 0 {
			bars = append(bars, Bar{b.From, b.To, b.Count})
		}
	}
	return bars
}

// histogramJSON is a histogram as JSON has it.
type histogramJSON struct {
	Unit        Unit             `json:"unit"`
	Count       int64            `json:"count"`
	Min         int64            `json:"min"`
	Max         int64            `json:"max"`
	Mean        float64          `json:"mean"`
	Percentiles map[string]int64 `json:"percentiles,omitempty"` // "p50" and so on: those for which there are enough values
	Buckets     [][2]int64       `json:"buckets"`               // the least value of each that is not empty, and how many it holds
}

// MarshalJSON writes the unit, the number of values, the least, greatest and
// mean, those percentiles for which there are enough values, and every bucket
// that is not empty as [least value, count].
func (h *Histogram) MarshalJSON() ([]byte, error) {
	j := histogramJSON{Unit: h.unit, Count: h.Count(), Min: h.min, Max: h.max, Mean: h.Mean(),
		Percentiles: map[string]int64{}, Buckets: [][2]int64{}}
	for _, p := range percentiles {
		if v, ok := h.Percentile(p); ok {
			j.Percentiles[percentileName(p)] = v
		}
	}
	for _, b := range h.Bars() {
		j.Buckets = append(j.Buckets, [2]int64{b.From, b.Count})
	}
	return json.Marshal(j)
}

// maxBuckets bounds the buckets that UnmarshalJSON takes: more than a
// histogram has.
const maxBuckets = 1 << 16

// UnmarshalJSON reads what MarshalJSON wrote, from a peer that may be
// anybody: it checks that all the parts agree.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var j histogramJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	if j.Unit != Nanoseconds && j.Unit != Messages {
		return fmt.Errorf("histogram of unit %q", j.Unit)
	}
	if len(j.Buckets) > maxBuckets {
		return fmt.Errorf("histogram of %d buckets", len(j.Buckets))
	}
	read := NewHistogram(j.Unit)
	var total int64
	for _, b := range j.Buckets {
		if b[0] < 0 || b[1] <= 0 || b[1] > math.MaxInt64-total {
			return fmt.Errorf("histogram bucket %v", b)
		}
		total += b[1]
		read.add(b[0], b[1])
	}
	mean := j.Mean
	if total != j.Count || j.Min < 0 || j.Min > j.Max || math.IsNaN(mean) || mean < float64(j.Min)*0.999-1 || mean > float64(j.Max)*1.001+1 {
		return fmt.Errorf("histogram whose parts do not agree")
	}
	read.min, read.max, read.sum = j.Min, j.Max, mean*float64(total)
	*h = *read
	return nil
}
