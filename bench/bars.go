package bench

import (
	"fmt"
	"math"
	"strings"
	"time"

	"zocalo/internal/units"
)

// The size of a histogram in the terminal.
const (
	barRows  = 16
	barWidth = 50
)

// writeBars draws a distribution of times, with a logarithmic axis: each line
// is a range of times and how many there were.
func writeBars(b *strings.Builder, h *Histogram) {
	low, high := math.Log(float64(max(h.Min(), 1))), math.Log(float64(max(h.Max(), 1))+1)
	rows := barRows
	if high-low < 1e-3 {
		rows = 1
	}
	counts := make([]int64, rows)
	for _, bar := range h.Bars() {
		at := int((math.Log(float64(max(bar.From, 1))) - low) / (high - low) * float64(rows))
		counts[min(max(at, 0), rows-1)] += bar.Count
	}
	most := int64(1)
	for _, n := range counts {
		most = max(most, n)
	}
	edge := func(i int) string {
		return units.Time(time.Duration(math.Exp(low + (high-low)*float64(i)/float64(rows))))
	}
	for i, n := range counts {
		width := int(math.Ceil(float64(n) / float64(most) * barWidth))
		fmt.Fprintf(b, "%8s to %-8s  %-*s %s\n", edge(i), edge(i+1), barWidth, strings.Repeat("#", width), units.Percent(float64(n)/float64(h.Count())))
	}
}
