package bench

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// WriteCSV writes the result as CSV, one figure a line: what table it is of
// (condition, result, percentile, interval, remark), the time it is about in
// seconds, its name, value and unit. With header it begins with a line that
// names the columns.
func (r *Result) WriteCSV(w io.Writer, header bool) error {
	c := csv.NewWriter(w)
	if header {
		c.Write([]string{"table", "start_s", "end_s", "name", "value", "unit"})
	}
	conditions, err := flatten(r.Conditions)
	if err != nil {
		return err
	}
	for _, f := range conditions {
		c.Write([]string{"condition", "", "", f.label, f.text, ""})
	}
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }
	figure := func(name string, value float64, unit string) {
		c.Write([]string{"result", "0", seconds(r.Elapsed), name, strconv.FormatFloat(value, 'f', -1, 64), unit})
	}
	if r.Interrupted {
		figure("interrupted", 1, "")
	}
	for _, end := range []struct {
		name string
		side *Side
	}{{"near", r.Near}, {"far", r.Far}} {
		if end.side == nil {
			continue
		}
		for _, t := range []struct {
			name string
			Traffic
		}{{"sent", end.side.Sent}, {"received", end.side.Received}} {
			if t.Octets+t.Messages == 0 {
				continue
			}
			name := end.name + "_" + t.name
			figure(name+"_octets", float64(t.Octets), "octets")
			figure(name+"_messages", float64(t.Messages), "messages")
			figure(name+"_rate", t.BitsPerSecond(), "bit/s")
		}
		figure(end.name+"_processor", float64(end.side.Processor.Total()), "ns")
		if a := end.side.Arrivals; a != nil {
			figure(end.name+"_lost", float64(a.Lost), "messages")
			figure(end.name+"_repeated", float64(a.Repeated), "messages")
			figure(end.name+"_reordered", float64(a.Reordered), "messages")
		}
	}
	if t := r.TCP; t != nil {
		figure("retransmits", float64(t.Retransmits), "segments")
	}
	if r.Latency.Count() > 0 {
		figure("unanswered", float64(r.Unanswered), "requests")
	}
	for _, d := range r.distributions() {
		for _, v := range d.h.named() {
			c.Write([]string{"percentile", "0", seconds(r.Elapsed), d.name + "_" + v.name, strconv.FormatInt(v.value, 10), string(d.h.Unit())})
		}
	}
	for _, i := range r.Intervals {
		name := "interval"
		if i.WarmUp {
			name = "warm-up"
		}
		line := func(what string, value float64, unit string) {
			c.Write([]string{name, seconds(i.Start), seconds(i.End), what, strconv.FormatFloat(value, 'f', -1, 64), unit})
		}
		line("octets", float64(i.Traffic.Octets), "octets")
		line("messages", float64(i.Traffic.Messages), "messages")
		if i.Max > 0 {
			line("median", float64(i.Median), "ns")
			line("max", float64(i.Max), "ns")
		}
	}
	for _, remark := range r.Remarks {
		c.Write([]string{"remark", "", "", "note", remark, ""})
	}
	c.Flush()
	return c.Error()
}

// A distribution is a histogram of a result by its name.
type distribution struct {
	name string
	h    *Histogram
}

// distributions are those that have values.
func (r *Result) distributions() (all []distribution) {
	add := func(name string, h *Histogram) {
		if h.Count() > 0 {
			all = append(all, distribution{name, h})
		}
	}
	add("latency", r.Latency)
	add("idle", r.Idle)
	add("lateness", r.Lateness)
	for _, w := range r.ways() {
		if a := w.arrivals; a != nil {
			add("jitter", a.Jitter)
			add("lost_in_a_row", a.Bursts)
			add("reordered_by", a.Extents)
		}
	}
	return all
}

// A namedValue is a figure of a histogram.
type namedValue struct {
	name  string
	value int64
}

// named are the least and the greatest value, and the percentiles that can be
// told.
func (h *Histogram) named() []namedValue {
	all := []namedValue{{"min", h.Min()}}
	for _, p := range Percentiles {
		if v, ok := h.Percentile(p); ok {
			all = append(all, namedValue{percentileName(p), v})
		}
	}
	return append(all, namedValue{"max", h.Max()}, namedValue{"count", h.Count()})
}

// flatten returns the fields of a value as JSON has them, those within others by
// their path.
func flatten(v any) ([]row, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	var rows []row
	var walk func(prefix string, fields map[string]any)
	walk = func(prefix string, fields map[string]any) {
		for name, v := range fields {
			switch v := v.(type) {
			case map[string]any:
				walk(prefix+name+".", v)
			case float64:
				rows = append(rows, row{prefix + name, strconv.FormatFloat(v, 'f', -1, 64)})
			default:
				rows = append(rows, row{prefix + name, fmt.Sprint(v)})
			}
		}
	}
	walk("", fields)
	slices.SortFunc(rows, func(a, b row) int {
		if a.label < b.label {
			return -1
		}
		return 1
	})
	return rows, nil
}
