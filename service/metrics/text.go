package metrics

import (
	"math"
	"strconv"
	"time"
)

// A page is a text of Prometheus's format as it is written: families, each with its help and
// type, and their samples.
type page struct {
	b      []byte
	family string
}

// The types of metrics.
const (
	counter = "counter"
	gauge   = "gauge"
)

// start begins a family: all samples that follow are of it. Help is a sentence on one
// line.
func (p *page) start(name, kind, help string) {
	p.family = name
	p.b = append(p.b, "# HELP "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = appendEscaped(p.b, help, false)
	p.b = append(p.b, "\n# TYPE "...)
	p.b = append(p.b, name...)
	p.b = append(p.b, ' ')
	p.b = append(p.b, kind...)
	p.b = append(p.b, '\n')
}

// value adds a sample with labels, which are names and values in turn.
func (p *page) value(v float64, labels ...string) { p.sample("", v, labels, "", "") }

func (p *page) int(n int64, labels ...string) { p.value(float64(n), labels...) }

// histogram adds all samples of one.
func (p *page) histogram(h *histogram, labels ...string) {
	total := int64(0)
	for i := range h.buckets {
		total += h.buckets[i].Load()
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.bounds[i].Seconds(), 'g', -1, 64)
		}
		p.sample("_bucket", float64(total), labels, "le", bound)
	}
	p.sample("_sum", time.Duration(h.sum.Load()).Seconds(), labels, "", "")
	p.sample("_count", float64(total), labels, "", "")
}

func (p *page) sample(suffix string, v float64, labels []string, another, value string) {
	p.b = append(p.b, p.family...)
	p.b = append(p.b, suffix...)
	between := byte('{')
	label := func(name, value string) {
		p.b = append(p.b, between)
		p.b = append(p.b, name...)
		p.b = append(p.b, `="`...)
		p.b = appendEscaped(p.b, value, true)
		p.b = append(p.b, '"')
		between = ','
	}
	for i := 0; i < len(labels); i += 2 {
		label(labels[i], labels[i+1])
	}
	if another != "" {
		label(another, value)
	}
	if between == ',' {
		p.b = append(p.b, '}')
	}
	p.b = append(p.b, ' ')
	switch {
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		p.b = strconv.AppendInt(p.b, int64(v), 10)
	default:
		p.b = strconv.AppendFloat(p.b, v, 'g', -1, 64)
	}
	p.b = append(p.b, '\n')
}

// appendEscaped appends a text as the format has it in a label's value, or in help.
func appendEscaped(b []byte, text string, quotes bool) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '"' && quotes:
			b = append(b, `\"`...)
		default:
			b = append(b, c)
		}
	}
	return b
}
