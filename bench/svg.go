package bench

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"zocalo/internal/units"
)

// The picture's measures, in pixels.
const (
	svgWidth    = 960
	panelLeft   = 110
	panelRight  = 30
	panelHeight = 260
	panelTop    = 56 // above a panel: its title
	panelBottom = 60 // below it: its axis
)

// colours of the curves, that can be told apart without seeing red and green.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"}

// WriteSVG draws results: for each that has times, the curve of its percentiles,
// and how throughput and times went. Every axis has its unit, and the
// conditions stand below.
func WriteSVG(w io.Writer, results ...*Result) error {
	var panels []*panel
	var notes []string
	for _, r := range results {
		panels = append(panels, r.panels()...)
		notes = append(notes, r.heading())
		for _, row := range r.Conditions.rows() {
			notes = append(notes, row.label+": "+row.text)
		}
		for _, remark := range r.Remarks {
			notes = append(notes, "note: "+remark)
		}
		notes = append(notes, "")
	}
	height := len(panels)*(panelTop+panelHeight+panelBottom) + 16*len(notes) + 20
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">`+"\n", svgWidth, height)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	y := 0
	for _, p := range panels {
		p.draw(&b, float64(y+panelTop))
		y += panelTop + panelHeight + panelBottom
	}
	for i, note := range notes {
		fmt.Fprintf(&b, `<text x="20" y="%d" font-size="10" fill="#444">%s</text>`+"\n", y+16*(i+1), html.EscapeString(note))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// A panel is a diagram.
type panel struct {
	title  string
	x, y   axis
	curves []curve
	warmUp bool // a line at 0 says where it ends
}

// An axis maps values to the picture.
type axis struct {
	title     string
	low, high float64
	ticks     []tick
	log       bool
}

type tick struct {
	at   float64
	text string
}

// place is where a value is, 0 to 1.
func (a *axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return min(max((v-low)/(high-low), 0), 1)
}

// A curve is points joined by lines.
type curve struct {
	name   string
	xs, ys []float64
}

func (c *curve) add(x, y float64) { c.xs, c.ys = append(c.xs, x), append(c.ys, y) }

// hold adds a value that holds for a time.
func (c *curve) hold(i Interval, y float64) {
	c.add(i.Start.Seconds(), y)
	c.add(i.End.Seconds(), y)
}

func (p *panel) draw(b *strings.Builder, top float64) {
	const width, bottom = float64(svgWidth - panelLeft - panelRight), float64(panelHeight)
	x := func(v float64) float64 { return panelLeft + width*p.x.place(v) }
	y := func(v float64) float64 { return top + panelHeight*(1-p.y.place(v)) }
	text := func(x, y float64, anchor, s string) { // with a white edge, over whatever is there
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" paint-order="stroke" stroke="white" stroke-width="3">%s</text>`+"\n", x, y, anchor, html.EscapeString(s))
	}
	line := func(style string, points ...float64) {
		fmt.Fprintf(b, `<polyline fill="none" %s points="`, style)
		for _, v := range points {
			fmt.Fprintf(b, "%.1f ", v)
		}
		b.WriteString("\"/>\n")
	}
	text(panelLeft, top-32, "start", p.title)
	for _, t := range p.y.ticks {
		line(`stroke="#ddd"`, panelLeft, y(t.at), panelLeft+width, y(t.at))
		text(panelLeft-8, y(t.at)+4, "end", t.text)
	}
	for _, t := range p.x.ticks {
		line(`stroke="#ddd"`, x(t.at), top, x(t.at), top+bottom)
		text(x(t.at), top+bottom+18, "middle", t.text)
	}
	line(`stroke="black"`, panelLeft, top, panelLeft, top+bottom, panelLeft+width, top+bottom)
	text(panelLeft+width/2, top+bottom+40, "middle", p.x.title)
	text(panelLeft-8, top-10, "end", p.y.title)
	at := float64(panelLeft)
	for i, c := range p.curves {
		style := fmt.Sprintf(`stroke="%s" stroke-width="2"`, colours[i%len(colours)])
		var points []float64
		for j := range c.xs {
			points = append(points, x(c.xs[j]), y(c.ys[j]))
		}
		line(style, points...)
		line(style, at, top-14, at+18, top-14)
		text(at+24, top-10, "start", c.name)
		at += 48 + 8*float64(len(c.name))
	}
	if p.warmUp {
		line(`stroke="#888" stroke-dasharray="4 3"`, x(0), top, x(0), top+bottom)
		text(x(0)+4, top+14, "start", "warm-up ends")
	}
}

// panels are the diagrams of a result.
func (r *Result) panels() (all []*panel) {
	if p := r.percentilePanel(); len(p.curves) > 0 {
		all = append(all, p)
	}
	if len(r.Intervals) > 1 {
		all = append(all, r.ratePanel())
		if p := r.timesPanel(); len(p.curves[0].xs) > 0 {
			all = append(all, p)
		}
	}
	return all
}

// percentilePanel has a curve of times over percentiles for each distribution
// of times. The axis is that of nines: as much space for 90 to 99 as for 99 to
// 99.9.
func (r *Result) percentilePanel() *panel {
	p := &panel{title: r.heading() + ": times", x: axis{title: "percentile", low: 1, high: 10, log: true}}
	for _, d := range r.times() {
		c := curve{name: d.name}
		total, seen := float64(d.h.Count()), int64(0)
		if total == 0 {
			continue
		}
		for _, bar := range d.h.Bars() {
			share := 1 - float64(seen)/total
			seen += bar.Count
			// Where fewer samples than make a percentile lie beyond, the curve ends.
			if share*total < beyond {
				break
			}
			c.add(1/share, float64(max(bar.From, 1)))
		}
		if len(c.xs) > 0 {
			p.x.high = max(p.x.high, c.xs[len(c.xs)-1])
			p.curves = append(p.curves, c)
		}
	}
	p.x.high = math.Pow(10, math.Ceil(math.Log10(p.x.high)-1e-9))
	for _, q := range []float64{0, 50, 75, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
		if at := 1 / (1 - q/100); at <= p.x.high*1.001 {
			p.x.ticks = append(p.x.ticks, tick{at, fmt.Sprintf("%g%%", q)})
		}
	}
	p.scaleTimes()
	return p
}

// A distribution is a histogram of a result by its name.
type distribution struct {
	name string
	h    *Histogram
}

// times are the distributions of times.
func (r *Result) times() []distribution {
	all := []distribution{{"latency", r.Latency}, {"idle", r.Idle}, {"lateness", r.Lateness}}
	for _, w := range r.ways() {
		if w.arrivals != nil {
			all = append(all, distribution{"jitter", w.arrivals.Jitter})
		}
	}
	return all
}

// ratePanel shows throughput, or messages per second where bytes say little.
func (r *Result) ratePanel() *panel {
	unit, rate := "messages/s", Traffic.MessagesPerSecond
	switch r.Conditions.Mode {
	case Stream, Loaded:
		unit, rate = "bit/s", Traffic.BitsPerSecond
	case Connect:
		unit = "connections/s"
	}
	c := curve{name: unit + " at this end"}
	p := r.overTime("over time")
	p.y.high = 1
	for _, i := range r.Intervals {
		v := rate(i.Traffic)
		c.hold(i, v)
		p.y.high = max(p.y.high, 1.05*v)
	}
	for _, v := range niceTicks(0, p.y.high) {
		p.y.ticks = append(p.y.ticks, tick{v, amount(v, unit)})
	}
	p.curves = []curve{c}
	return p
}

// timesPanel shows how the times of each interval went.
func (r *Result) timesPanel() *panel {
	median, greatest := curve{name: "median"}, curve{name: "max"}
	for _, i := range r.Intervals {
		if i.Max > 0 {
			median.hold(i, float64(max(i.Median, 1)))
			greatest.hold(i, float64(i.Max))
		}
	}
	p := r.overTime("times of each interval")
	p.curves = []curve{median, greatest}
	p.scaleTimes()
	return p
}

// overTime is a panel with an axis of time, from the first interval to the last.
func (r *Result) overTime(what string) *panel {
	first, last := r.Intervals[0], r.Intervals[len(r.Intervals)-1]
	p := &panel{title: r.heading() + ": " + what, warmUp: first.WarmUp}
	p.x = axis{title: "seconds since the measured time began", low: first.Start.Seconds(), high: last.End.Seconds()}
	for _, t := range niceTicks(p.x.low, p.x.high) {
		p.x.ticks = append(p.x.ticks, tick{t, fmt.Sprintf("%g", t)})
	}
	return p
}

// scaleTimes makes a logarithmic axis of times, of the curves' values.
func (p *panel) scaleTimes() {
	low, high := math.Inf(1), 0.0
	for _, c := range p.curves {
		for _, v := range c.ys {
			low, high = min(low, v), max(high, v)
		}
	}
	p.y = axis{title: "time", low: low * 0.9, high: high * 1.1, log: true}
	mark := func(v float64) {
		p.y.ticks = append(p.y.ticks, tick{v, units.Time(time.Duration(math.Round(v)))})
	}
	for v := math.Pow(10, math.Ceil(math.Log10(p.y.low))); v <= p.y.high; v *= 10 {
		mark(v)
	}
	if len(p.y.ticks) < 3 { // a narrow range
		p.y.ticks = nil
		for i := range 5 {
			mark(p.y.low * math.Pow(p.y.high/p.y.low, float64(i)/4))
		}
	}
}

// niceTicks are some 4 to 10 round numbers from low to high.
func niceTicks(low, high float64) (ticks []float64) {
	if !(high > low) {
		return []float64{low}
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, f := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*f) <= 8 {
			step *= f
			break
		}
	}
	for n := math.Ceil(low/step - 1e-9); n*step <= high*(1+1e-9); n++ {
		ticks = append(ticks, math.Round(n*step*1e9)/1e9+0) // + 0 makes -0 0
	}
	return ticks
}
