package bench

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"
)

// The picture's measures, in pixels.
const (
	svgWidth    = 960
	panelLeft   = 90
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
			notes = append(notes, wrap(row.label+": "+row.text, 140)...)
		}
		for _, remark := range r.Remarks {
			notes = append(notes, wrap("note: "+remark, 140)...)
		}
		notes = append(notes, "")
	}
	height := len(panels)*(panelTop+panelHeight+panelBottom) + 16*len(notes) + 20
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", svgWidth, height, svgWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", svgWidth, height)
	y := 0
	for _, p := range panels {
		p.draw(&b, y+panelTop)
		y += panelTop + panelHeight + panelBottom
	}
	for i, note := range notes {
		fmt.Fprintf(&b, `<text x="20" y="%d" font-size="11" fill="#444">%s</text>`+"\n", y+16*(i+1), html.EscapeString(note))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks a text into lines at spaces.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = "    "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
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
	if a.log {
		return math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return (v - a.low) / (a.high - a.low)
}

// A curve is points joined by lines.
type curve struct {
	name  string
	xs    []float64
	ys    []float64
	steps bool // each value holds until the next
}

// A panel is a diagram.
type panel struct {
	title  string
	x, y   axis
	curves []curve
	marks  []tick // vertical lines
}

func (p *panel) draw(b *strings.Builder, top int) {
	width := float64(svgWidth - panelLeft - panelRight)
	x := func(v float64) float64 { return panelLeft + width*min(max(p.x.place(v), 0), 1) }
	y := func(v float64) float64 { return float64(top) + panelHeight*(1-min(max(p.y.place(v), 0), 1)) }
	text := func(x, y float64, anchor, s string) { // with a white edge, over whatever is there
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" paint-order="stroke" stroke="white" stroke-width="3">%s</text>`+"\n", x, y, anchor, html.EscapeString(s))
	}
	line := func(x1, y1, x2, y2 float64, style string) {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, style)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-size="15" font-weight="bold">%s</text>`+"\n", panelLeft, top-32, html.EscapeString(p.title))
	bottom := float64(top + panelHeight)
	const grid = `stroke="#ddd"`
	for _, t := range p.y.ticks {
		line(panelLeft, y(t.at), panelLeft+width, y(t.at), grid)
		text(panelLeft-8, y(t.at)+4, "end", t.text)
	}
	for _, t := range p.x.ticks {
		line(x(t.at), float64(top), x(t.at), bottom, grid)
		text(x(t.at), bottom+18, "middle", t.text)
	}
	line(panelLeft, float64(top), panelLeft, bottom, `stroke="black"`)
	line(panelLeft, bottom, panelLeft+width, bottom, `stroke="black"`)
	text(panelLeft+width/2, bottom+40, "middle", p.x.title)
	fmt.Fprintf(b, `<text x="18" y="%.1f" text-anchor="middle" transform="rotate(-90 18 %.1f)">%s</text>`+"\n",
		float64(top)+panelHeight/2, float64(top)+panelHeight/2, html.EscapeString(p.y.title))
	at := float64(panelLeft)
	for i, c := range p.curves {
		colour := colours[i%len(colours)]
		var points strings.Builder
		for j := range c.xs {
			if c.steps && j > 0 {
				fmt.Fprintf(&points, "%.1f,%.1f ", x(c.xs[j]), y(c.ys[j-1]))
			}
			fmt.Fprintf(&points, "%.1f,%.1f ", x(c.xs[j]), y(c.ys[j]))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.TrimSpace(points.String()), colour)
		line(at, float64(top)-14, at+18, float64(top)-14, fmt.Sprintf(`stroke="%s" stroke-width="3"`, colour))
		text(at+24, float64(top)-10, "start", c.name)
		at += 24 + 8*float64(len(c.name)) + 24
	}
	for _, t := range p.marks {
		line(x(t.at), float64(top), x(t.at), bottom, `stroke="#888" stroke-dasharray="4 3"`)
		text(x(t.at)+4, float64(top)+14, "start", t.text)
	}
}

// panels are the diagrams of a result.
func (r *Result) panels() (all []*panel) {
	if p := r.percentilePanel(); p != nil {
		all = append(all, p)
	}
	if len(r.Intervals) > 1 {
		all = append(all, r.ratePanel())
		if p := r.timesPanel(); p != nil {
			all = append(all, p)
		}
	}
	return all
}

// percentilePanel has a curve of times over percentiles for each distribution
// of times. The axis is that of nines: as much space for 90 to 99 as for 99 to
// 99.9.
func (r *Result) percentilePanel() *panel {
	p := &panel{title: r.heading() + ": times", x: axis{title: "percentile", low: 1, log: true}, y: axis{log: true}}
	nines := 10.0
	for _, d := range r.distributions() {
		if d.h.Unit() != Nanoseconds {
			continue
		}
		c := curve{name: d.name, steps: false}
		total, seen := float64(d.h.Count()), int64(0)
		for _, bar := range d.h.Bars() {
			before := float64(seen) / total
			seen += bar.Count
			// Where fewer samples than make a percentile lie beyond, the curve ends.
			if share := 1 - before; share*total < beyond {
				break
			}
			c.xs = append(c.xs, 1/(1-before))
			c.ys = append(c.ys, float64(max(bar.From, 1)))
		}
		if len(c.xs) == 0 {
			continue
		}
		nines = max(nines, c.xs[len(c.xs)-1])
		p.curves = append(p.curves, c)
	}
	if len(p.curves) == 0 {
		return nil
	}
	p.x.high = math.Pow(10, math.Ceil(math.Log10(nines)-1e-9))
	for _, q := range []float64{0, 50, 75, 90, 99, 99.9, 99.99, 99.999, 99.9999} {
		if at := 1 / (1 - q/100); at <= p.x.high*1.001 {
			p.x.ticks = append(p.x.ticks, tick{at, fmt.Sprintf("%g%%", q)})
		}
	}
	p.y.scaleTimes(p.curves)
	return p
}

// ratePanel shows throughput, or messages a second where octets say little.
func (r *Result) ratePanel() *panel {
	c := curve{steps: true}
	octets := r.Conditions.Mode == Stream || r.Conditions.Mode == Loaded
	unit := "messages a second"
	if octets {
		unit = "bit/s"
	}
	if r.Conditions.Mode == Connect {
		unit = "connections a second"
	}
	c.name = unit + " at this end"
	for _, i := range r.Intervals {
		v := i.Traffic.MessagesPerSecond()
		if octets {
			v = i.Traffic.BitsPerSecond()
		}
		c.xs, c.ys = append(c.xs, i.Start.Seconds()), append(c.ys, v)
	}
	last := r.Intervals[len(r.Intervals)-1]
	c.xs, c.ys = append(c.xs, last.End.Seconds()), append(c.ys, c.ys[len(c.ys)-1])
	p := &panel{title: r.heading() + ": over time", curves: []curve{c}, y: axis{title: unit}}
	p.overTime(r)
	p.y.scale(c.ys)
	return p
}

// timesPanel shows how the times of each interval went; nil where there are
// none.
func (r *Result) timesPanel() *panel {
	median, greatest := curve{name: "median", steps: true}, curve{name: "max", steps: true}
	add := func(at time.Duration, i Interval) {
		for _, c := range []struct {
			*curve
			d time.Duration
		}{{&median, i.Median}, {&greatest, i.Max}} {
			c.xs, c.ys = append(c.xs, at.Seconds()), append(c.ys, float64(max(c.d, 1)))
		}
	}
	var last *Interval
	for _, i := range r.Intervals {
		if i.Max > 0 {
			add(i.Start, i)
			last = &i
		}
	}
	if last == nil {
		return nil
	}
	add(last.End, *last)
	p := &panel{title: r.heading() + ": times of each interval", curves: []curve{median, greatest}, y: axis{log: true}}
	p.overTime(r)
	p.y.scaleTimes(p.curves)
	return p
}

// overTime makes the axis of time, from the first interval to the last.
func (p *panel) overTime(r *Result) {
	first, last := r.Intervals[0], r.Intervals[len(r.Intervals)-1]
	p.x = axis{title: "seconds since the measured time began", low: first.Start.Seconds(), high: last.End.Seconds()}
	for _, t := range niceTicks(p.x.low, p.x.high) {
		p.x.ticks = append(p.x.ticks, tick{t, fmt.Sprintf("%g", t)})
	}
	if first.WarmUp {
		p.marks = append(p.marks, tick{0, "warm-up ends"})
	}
}

// scale makes a linear axis from 0, with a decimal prefix in its title.
func (a *axis) scale(values []float64) {
	for _, v := range values {
		a.high = max(a.high, v)
	}
	if a.high == 0 {
		a.high = 1
	}
	a.high *= 1.05
	factor, prefix := 1.0, ""
	for _, p := range []struct {
		factor float64
		name   string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if a.high >= p.factor {
			factor, prefix = p.factor, p.name
			break
		}
	}
	if strings.HasPrefix(a.title, "bit") {
		a.title = prefix + a.title
	} else if prefix != "" {
		a.title = fmt.Sprintf("%s (%s = %g)", a.title, prefix, factor)
	}
	suffix := prefix
	if strings.Contains(a.title, "bit/s") {
		suffix = ""
	}
	for _, t := range niceTicks(0, a.high/factor) {
		text := "0"
		if t != 0 {
			text = fmt.Sprintf("%g%s", t, suffix)
		}
		a.ticks = append(a.ticks, tick{t * factor, text})
	}
}

// scaleTimes makes a logarithmic axis of times.
func (a *axis) scaleTimes(curves []curve) {
	a.title = "time"
	low, high := math.Inf(1), 0.0
	for _, c := range curves {
		for _, v := range c.ys {
			low, high = min(low, v), max(high, v)
		}
	}
	a.low, a.high = low*0.9, high*1.1
	steps := []float64{1, 2, 5}
	if a.high/a.low > 1e3 {
		steps = []float64{1}
	}
	for decade := math.Pow(10, math.Floor(math.Log10(a.low))); decade <= a.high; decade *= 10 {
		for _, s := range steps {
			if v := decade * s; v >= a.low && v <= a.high {
				a.ticks = append(a.ticks, tick{v, TimeText(time.Duration(math.Round(v)))})
			}
		}
	}
	if len(a.ticks) < 2 { // a narrow range
		for i := range 4 {
			v := a.low * math.Pow(a.high/a.low, float64(i)/3)
			a.ticks = append(a.ticks, tick{v, TimeText(time.Duration(math.Round(v)))})
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
