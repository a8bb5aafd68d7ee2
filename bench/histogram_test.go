package bench

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPercentiles compares with the sorted values themselves.
func TestPercentiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := NewHistogram(Nanoseconds)
	var values []int64
	for range 120_000 {
		v := int64(math.Exp(r.NormFloat64()*2) * 50_000)
		values = append(values, v)
		h.Record(v)
	}
	slices.Sort(values)
	for _, p := range percentiles {
		got, ok := h.Percentile(p)
		want := values[int(math.Ceil(p/100*float64(len(values))-1e-6))-1]
		if !ok || math.Abs(float64(got-want)) > float64(want)/1000+1 {
			t.Errorf("%s is %d, %v; the sorted values have %d", percentileName(p), got, ok, want)
		}
	}
	if h.Min() != values[0] || h.Max() != values[len(values)-1] {
		t.Errorf("least and greatest are %d and %d, want %d and %d", h.Min(), h.Max(), values[0], values[len(values)-1])
	}
}

// TestTooFewSamples sees that a percentile is told from the very number of
// values on that lets ten lie above it.
func TestTooFewSamples(t *testing.T) {
	for p, need := range map[float64]int{50: 20, 90: 100, 99: 1000, 99.9: 10_000, 99.99: 100_000} {
		h := NewHistogram(Nanoseconds)
		for range need - 1 {
			h.Record(5)
		}
		if _, ok := h.Percentile(p); ok {
			t.Errorf("%s is told of %d values", percentileName(p), need-1)
		}
		h.Record(5)
		if _, ok := h.Percentile(p); !ok {
			t.Errorf("%s is not told of %d values", percentileName(p), need)
		}
	}
	if _, ok := (*Histogram)(nil).Percentile(50); ok {
		t.Error("a percentile of no histogram is told")
	}
}

func TestHistogramJSON(t *testing.T) {
	h := NewHistogram(Nanoseconds)
	for i := range 5000 {
		h.RecordTime(time.Duration(i*i) * time.Microsecond)
	}
	h.RecordTime(3 * time.Hour) // beyond the range
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back Histogram
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(&back)
	if err != nil || string(again) != string(text) {
		t.Errorf("after a round trip through JSON (%v):\n%.200s\nwant\n%.200s", err, again, text)
	}
	if strings.Contains(string(text), "p99.9\"") {
		t.Error("5001 values have a 99.9th percentile")
	}
}

func TestMerge(t *testing.T) {
	all, a, b := NewHistogram(Messages), NewHistogram(Messages), NewHistogram(Messages)
	for i := range int64(1000) {
		all.Record(i)
		if i%3 == 0 {
			a.Record(i)
		} else {
			b.Record(i)
		}
	}
	a.Merge(b)
	a.Merge(nil)
	want, _ := json.Marshal(all)
	if got, _ := json.Marshal(a); string(got) != string(want) {
		t.Errorf("merged:\n%s\nwant\n%s", got, want)
	}
}

// FuzzHistogramJSON feeds what a hostile server could send.
func FuzzHistogramJSON(f *testing.F) {
	f.Add(`{"unit":"ns","count":2,"min":5,"max":7,"mean":6,"buckets":[[5,1],[7,1]]}`)
	f.Add(`{"unit":"ns","count":-1,"buckets":[[5,9223372036854775807],[7,1]]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var h Histogram
		if json.Unmarshal([]byte(text), &h) != nil || h.hdr == nil {
			return
		}
		if h.Count() < 0 || h.Min() > h.Max() {
			t.Errorf("%s: count %d, %d to %d", text, h.Count(), h.Min(), h.Max())
		}
		if _, err := json.Marshal(&h); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordAllocates(t *testing.T) {
	h := NewHistogram(Nanoseconds)
	if n := testing.AllocsPerRun(100, func() { h.RecordTime(time.Millisecond) }); n > 0 {
		t.Errorf("Record allocates %v times", n)
	}
}
