package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"zocalo/internal/units"
)

// WriteText writes the result for people: the figures, what must be known to
// trust them, and the conditions. With histogram it draws the distribution of
// times too.
func (r *Result) WriteText(w io.Writer, histogram bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.heading())
	writeRows(&b, r.rows())
	if len(r.Receivers) > 0 {
		b.WriteString("\n")
		writeTable(&b, r.receiverTable())
	}
	if r.Latency.Count() > 0 || r.Idle.Count() > 0 {
		b.WriteString("\n")
		writeTable(&b, r.percentileTable())
	}
	if histogram && r.Latency.Count() > 0 {
		b.WriteString("\n")
		writeBars(&b, r.Latency)
	}
	if a := r.arrivals(); a != nil {
		if rows := a.table(); len(rows) > 1 {
			b.WriteString("\n")
			writeTable(&b, rows)
		}
	}
	if len(r.Remarks) > 0 {
		b.WriteString("\n")
		for _, remark := range r.Remarks {
			fmt.Fprintf(&b, "note: %s\n", remark)
		}
	}
	b.WriteString("\n")
	writeRows(&b, r.Conditions.rows())
	_, err := io.WriteString(w, b.String())
	return err
}

// A row is a label and what it says.
type row struct{ label, text string }

func writeRows(b *strings.Builder, rows []row) {
	width := 0
	for _, r := range rows {
		width = max(width, len(r.label))
	}
	for _, r := range rows {
		fmt.Fprintf(b, "%-*s  %s\n", width, r.label, r.text)
	}
}

// writeTable writes cells in columns; the first is aligned on the left, the
// others on the right.
func writeTable(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			if i == 0 {
				fmt.Fprintf(&line, "%-*s", widths[0], cell)
			} else {
				fmt.Fprintf(&line, "  %*s", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// heading says in a line what was measured.
func (r *Result) heading() string {
	c := &r.Conditions
	what := map[Mode]string{Stream: "throughput", RoundTrip: "round trips", AtRate: "requests at a fixed rate",
		Connect: "connections", Loaded: "round trips beside a stream"}[c.Mode]
	if c.Mode == Stream && c.Direction != Forward {
		what += map[Direction]string{Reverse: ", from the server", Both: ", both ways at once"}[c.Direction]
	}
	return fmt.Sprintf("%s: %s over %s", c.Address, what, c.Kind)
}

// rows are the figures.
func (r *Result) rows() []row {
	var rows []row
	add := func(label, format string, args ...any) { rows = append(rows, row{label, fmt.Sprintf(format, args...)}) }
	c := &r.Conditions
	switch c.Mode {
	case Stream, Loaded:
		if len(r.Receivers) > 0 {
			sent := r.Near.Sent
			add("to the group", "%s, %s messages per second", units.Rate(sent.BitsPerSecond()), units.Number(sent.MessagesPerSecond()))
			add("", "%s bytes in %s messages and %s, to %s", units.Count(sent.Bytes), units.Count(sent.Messages), units.Time(sent.Elapsed), units.Plural(len(r.Receivers), "receiver"))
			break
		}
		for _, way := range r.ways() {
			of, prefix, more := way.known(), "", ""
			switch {
			case way.received == nil: // the server did not report
				prefix, more = "sent at ", "; what arrived is unknown"
			case way.sent != nil:
				more = "; sent at " + units.Rate(way.sent.BitsPerSecond())
			}
			add(way.label, "%s%s, %s messages per second", prefix, units.Rate(of.BitsPerSecond()), units.Number(of.MessagesPerSecond()))
			add("", "%s bytes in %s%s", units.Count(of.Bytes), units.Time(of.Elapsed), more)
			if a := way.arrivals; a != nil {
				add("", "%s of %s lost (%s), %s repeated, %s out of order", units.Count(a.Lost), units.Count(a.Expected), units.Percent(a.LostShare()), units.Count(a.Repeated), units.Count(a.Reordered))
			}
		}
		if c.Mode == Loaded {
			add("round trips", "%s of %d bytes without the stream, %s with it", units.Count(r.Idle.Count()), requestSize, units.Count(r.Latency.Count()))
		}
	case Connect:
		add("connections", "%s per second, %s in %s", units.Number(perSecond(float64(r.Latency.Count()), r.Elapsed)), units.Count(r.Latency.Count()), units.Time(r.Elapsed))
		if r.Failed > 0 {
			add("failed", "%s: %s", units.Count(r.Failed), r.FailedFor)
		}
	default:
		if r.Near != nil {
			add("answered", "%s per second, %s in %s", units.Number(r.Near.Received.MessagesPerSecond()), units.Count(r.Near.Received.Messages), units.Time(r.Elapsed))
		}
	}
	if r.Unanswered > 0 {
		add("unanswered", "%s of %s requests (%s)", units.Count(r.Unanswered), units.Count(r.Unanswered+r.Latency.Count()),
			units.Percent(float64(r.Unanswered)/float64(r.Unanswered+r.Latency.Count())))
	}
	rows = append(rows, r.processorRows()...)
	if t := r.TCP; t != nil && c.Direction != Reverse {
		add("tcp", "%s", t.text())
	}
	if t := r.FarTCP; t != nil && c.Direction != Forward {
		add("tcp at the server", "%s", t.text())
	}
	return rows
}

// A way is one direction of a stream, as both ends tell of it: nil of one that does not.
type way struct {
	label          string
	sent, received *Traffic
	arrivals       *Arrivals
}

// known is what arrived or, where nobody tells, what was sent.
func (w *way) known() *Traffic {
	if w.received == nil {
		return w.sent
	}
	return w.received
}

// ways are the directions that data went.
func (r *Result) ways() (all []way) {
	if r.Near == nil {
		return nil
	}
	to, from := way{"to the server", &r.Near.Sent, nil, nil}, way{"from the server", nil, &r.Near.Received, r.Near.Arrivals}
	if r.Far != nil {
		to.received, to.arrivals, from.sent = &r.Far.Received, r.Far.Arrivals, &r.Far.Sent
	}
	if r.Conditions.Direction != Reverse {
		all = append(all, to)
	}
	if r.Conditions.Direction != Forward {
		all = append(all, from)
	}
	return all
}

// arrivals are those of the first way that has any.
func (r *Result) arrivals() *Arrivals {
	for _, w := range r.ways() {
		if w.arrivals != nil {
			return w.arrivals
		}
	}
	return nil
}

// processorRows say what the run cost both ends.
func (r *Result) processorRows() (rows []row) {
	for _, end := range []struct {
		name string
		side *Side
	}{{"client's CPU time", r.Near}, {"server's CPU time", r.Far}} {
		if end.side == nil || end.side.Processor.Total() == 0 {
			continue
		}
		name := end.name
		if r.OneProcess {
			if end.side == r.Far {
				continue
			}
			name = "CPU time, both ends"
		}
		p := end.side.Processor
		text := fmt.Sprintf("%.0f%% of one CPU", 100*float64(p.Total())/float64(max(r.Elapsed, 1)))
		if n := end.side.Sent.Messages + end.side.Received.Messages; n > 0 {
			text += fmt.Sprintf(", %s per message", units.Time(p.Total()/time.Duration(n)))
		}
		if n := end.side.Sent.Bytes + end.side.Received.Bytes; n > 0 && r.Conditions.Mode == Stream {
			text += fmt.Sprintf(", %.3g ns per byte", float64(p.Total())/float64(n))
		}
		if p.Shared && !r.OneProcess {
			text += "; it also served other clients"
		}
		rows = append(rows, row{name, text})
	}
	return rows
}

// text is what the kernel says of the flows.
func (t *TCP) text() string {
	parts := []string{units.Plural(int64(t.Retransmits), "segment") + " retransmitted", "rtt " + units.Time(t.RTT)}
	if t.MinRTT > 0 {
		parts = append(parts, "min rtt "+units.Time(t.MinRTT))
	}
	parts = append(parts, "window "+units.Plural(int64(t.CongestionWindow), "segment"))
	if t.Busy > 0 {
		share := func(d time.Duration) string { return units.Percent(float64(d) / float64(t.Busy)) }
		parts = append(parts, fmt.Sprintf("held back by the receiver's window %s, by the send buffer %s of the time", share(t.WindowLimited), share(t.SendBufferLimited)))
	}
	return strings.Join(parts, ", ")
}

// percentileTable are the percentiles of times.
func (r *Result) percentileTable() [][]string {
	rows := [][]string{percentileHead()}
	add := func(label string, h *Histogram) {
		if h.Count() > 0 {
			rows = append(rows, percentileRow(label, h))
		}
	}
	switch r.Conditions.Mode {
	case Loaded:
		add("alone", r.Idle)
		add("beside the stream", r.Latency)
	case Connect:
		add("connecting", r.Latency)
	case AtRate:
		add("since due", r.Latency)
		add("sent late by", r.Lateness)
	default:
		add("round trip", r.Latency)
	}
	return rows
}

// percentileHead is the first line of such a table.
func percentileHead() []string {
	head := []string{"", "min"}
	for _, p := range percentiles {
		head = append(head, percentileName(p))
	}
	return append(head, "max", "mean", "samples")
}

// percentileRow is a line of the table; what there are too few samples for is
// "-".
func percentileRow(label string, h *Histogram) []string {
	value := func(v int64) string {
		if h.Unit() == Nanoseconds {
			return units.Time(time.Duration(v))
		}
		return units.Count(v)
	}
	cells := []string{label, value(h.Min())}
	for _, p := range percentiles {
		if v, ok := h.Percentile(p); ok {
			cells = append(cells, value(v))
		} else {
			cells = append(cells, "-")
		}
	}
	return append(cells, value(h.Max()), value(int64(h.Mean())), units.Count(h.Count()))
}

// table are the distributions of how messages arrived.
func (a *Arrivals) table() [][]string {
	rows := [][]string{percentileHead()}
	for _, d := range []struct {
		label string
		h     *Histogram
	}{{"jitter", a.Jitter}, {"lost in a row", a.Bursts}, {"late by messages", a.Extents}} {
		if d.h.Count() > 0 {
			rows = append(rows, percentileRow(d.label, d.h))
		}
	}
	return rows
}

// rows are the conditions.
func (c *Conditions) rows() []row {
	var rows []row
	list := func(label string, parts ...string) {
		var some []string
		for _, p := range parts {
			if p != "" {
				some = append(some, p)
			}
		}
		if len(some) > 0 {
			rows = append(rows, row{label, strings.Join(some, ", ")})
		}
	}
	when := func(ok bool, format string, args ...any) string {
		if !ok {
			return ""
		}
		return fmt.Sprintf(format, args...)
	}
	bound := when(c.Duration > 0, "for %s", units.Set(c.Duration))
	switch {
	case c.Count > 0:
		bound = units.Count(c.Count) + " messages" + when(c.Duration > 0, " or %s", units.Set(c.Duration))
	case c.Duration+c.WarmUp >= MaxDuration:
		bound = "until it is interrupted"
	}
	list("asked for", bound, when(c.WarmUp > 0, "after a warm-up of %s", units.Set(c.WarmUp)), when(c.Size > 0, "%s bytes each", units.Count(c.Size)), units.Plural(c.Flows, "flow"),
		when(c.Depth > 1, "%d in flight on each", c.Depth), when(c.Rate > 0, "%s per second", units.Number(c.Rate)), when(c.Batch > 1, "%d per system call", c.Batch),
		when(c.Verify, "content checked"))
	nodelay := ""
	if c.NoDelay != nil {
		nodelay = "nodelay off"
		if *c.NoDelay {
			nodelay = "nodelay on"
		}
	}
	list("socket", c.Kind, when(c.Service != "", "%s at the other end", c.Service), when(c.SendBuffer > 0, "send buffer %s", units.Count(c.SendBuffer)),
		when(c.ReceiveBuffer > 0, "receive buffer %s", units.Count(c.ReceiveBuffer)), nodelay, c.Congestion, when(c.Segment > 0, "segments of %s", units.Count(c.Segment)), c.Offloads)
	list("machine", c.Machine.words()...)
	if c.FarMachine != nil && c.FarMachine.differs(&c.Machine) {
		list("server's machine", c.FarMachine.words()...)
	}
	list("measured", c.Started.Format(time.RFC3339), when(c.Machine.ClockStep > 0, "clock step %s", units.Time(c.Machine.ClockStep)), c.Machine.Program, c.Machine.Go)
	return rows
}

func (m *Machine) words() []string {
	words := []string{m.System}
	if m.Kernel != "" {
		words = append(words, m.Kernel)
	}
	words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s", units.Plural(m.Processors, "processor"), m.Processor)))
	if m.Load > 0 {
		words = append(words, fmt.Sprintf("load %.2f before", m.Load))
	}
	return words
}

// differs reports whether it is another machine, as far as can be told.
func (m *Machine) differs(n *Machine) bool {
	return m.System != n.System || m.Kernel != n.Kernel || m.Processor != n.Processor
}
