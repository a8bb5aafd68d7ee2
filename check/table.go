package check

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"zocalo/internal/units"
)

// TableOptions are how a report is written for people.
type TableOptions struct {
	// Further adds the experiments beyond the six properties of sockets. They
	// are written in any case where nothing else was tried.
	Further bool
	// Figures adds a table of what was measured.
	Figures bool
	// Details adds what was sent and what was seen, for every property.
	Details bool
	// Color marks the verdicts with the colours of a terminal (ECMA-48).
	Color bool
}

// A column of a table is a property, under a heading that may be shorter, with
// what it means.
type column struct{ property, heading, meaning string }

// six are the properties that the lecture has, in its order.
var six = []column{
	{"reliable", "reliable", "nothing is lost"},
	{"ordered", "ordered", "what arrives comes in the order in which it was sent"},
	{"unduplicated", "unduplicated", "nothing arrives twice"},
	{"connected", "connected", "a connection comes first, and then messages need no address"},
	{"bounded", "boundaries", "what was sent as one message arrives as one"},
	{"urgent", "urgent", "a byte can overtake those sent before it"},
}

// further are the other experiments, in tables that fit the width.
var further = [][]column{{
	{"intact", "intact", "the content that arrives is what was sent"},
	{"slow", "slow", "what happens to messages that the receiver does not read"},
	{"nobody", "nobody", "what a sender is told when nobody is there"},
	{"largest", "largest", "the maximum size of a message"},
	{"queue", "queue", "how clients that came before accept are served"},
	{"waiting", "waiting", "a waiting call is woken by what it waits for, a deadline or Close"},
}, {
	{"names", "names", "each end knows the other by the other's own name"},
	{"ways", "ways", "in how many directions data flows"},
	{"reach", "reach", "how far it goes: within this machine (local), or between machines"},
	{"descriptors", "fds", "how many descriptors a program needs for both directions"},
}}

// lineWidth is the width of the terminals that everything fits.
const lineWidth = 80

// WriteTable writes the report as tables with their legends, 80 columns wide;
// then what needs a sentence: promises that were
// broken, experiments that failed, and what was not tried, with the reasons.
func (r Report) WriteTable(w io.Writer, o TableOptions) error {
	t := &table{Writer: bufio.NewWriter(w), TableOptions: o}
	for _, k := range r.Kinds {
		if k.Available {
			t.kinds = append(t.kinds, k)
		} else {
			t.lacking = append(t.lacking, k)
		}
	}
	t.verdicts([][]column{six}, "yes: promised, and kept. no: not promised. BROKEN: promised, and not kept.", sixCell)
	if o.Further || t.shown == nil {
		t.verdicts(further, "A word: promised, and kept. (In brackets): seen, but not promised.", furtherCell)
	}
	if o.Figures {
		t.figures()
	}
	if o.Details {
		t.details()
	}
	t.broken()
	t.reasons(Failed, "failed")
	t.reasons(Skipped, "not tried")
	t.missing()
	t.summary()
	return t.Flush()
}

type table struct {
	*bufio.Writer
	TableOptions
	kinds, lacking []KindReport // those of this machine, and the others
	shown          []string     // the properties in tables
}

// A cell is text in a colour.
type cell struct{ text, color string }

// The colours, as parameters of SGR.
const (
	plain  = ""
	bold   = "1"
	faint  = "2"
	green  = "32"
	red    = "1;31"
	yellow = "33"
)

func (t *table) paint(c cell) string {
	if !t.Color || c.color == plain {
		return c.text
	}
	return "\x1b[" + c.color + "m" + c.text + "\x1b[0m"
}

// rows writes rows of cells, each column as wide as its widest.
func (t *table) rows(rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		for i, c := range row {
			t.WriteString(t.paint(c))
			if i < len(row)-1 {
				t.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		t.WriteByte('\n')
	}
	t.WriteByte('\n')
}

// verdicts writes tables of verdicts, without the columns that nobody tried,
// and the legend of them all.
func (t *table) verdicts(tables [][]column, legend string, show func(Finding) cell) {
	var all []column
	marks := map[string]bool{}
	for _, columns := range tables {
		var used []column
		header := []cell{{"KIND", bold}}
		for _, c := range columns {
			if t.tried(c.property) {
				used = append(used, c)
				header = append(header, cell{c.heading, bold})
			}
		}
		if used == nil {
			continue
		}
		all = append(all, used...)
		rows := [][]cell{header}
		for _, k := range t.kinds {
			row := []cell{{k.Kind, plain}}
			for _, c := range used {
				f, _ := k.Finding(c.property)
				row = append(row, verdictCell(f, show))
				marks[row[len(row)-1].text] = true
			}
			rows = append(rows, row)
		}
		t.rows(rows)
	}
	if all == nil {
		return
	}
	t.paragraph("", legend)
	if marks["-"] {
		t.paragraph("", "-: not tried.")
	}
	if marks["error"] {
		t.paragraph("", "error: the experiment itself failed.")
	}
	var meanings [][]cell
	for _, c := range all {
		t.shown = append(t.shown, c.property)
		t.loss(c)
		meanings = append(meanings, []cell{{c.heading, plain}, {c.meaning, plain}})
	}
	t.WriteByte('\n')
	t.rows(meanings)
}

// loss explains the first loss that a column shows.
func (t *table) loss(c column) {
	for _, k := range t.kinds {
		if f, _ := k.Finding(c.property); c.property == "reliable" && f.Verdict == NotPromised && sixCell(f).text != "no" {
			t.paragraph("", f.Word+": the receiver slept on purpose; "+k.Kind+" drops what nobody reads in time.")
			return
		}
	}
}

func (t *table) tried(property string) bool {
	for _, k := range t.kinds {
		if _, ok := k.Finding(property); ok {
			return true
		}
	}
	return false
}

// verdictCell shows a verdict; what was promised and kept, or not promised, as
// show says.
func verdictCell(f Finding, show func(Finding) cell) cell {
	switch f.Verdict {
	case Kept, NotPromised:
		return show(f)
	case Broken:
		return cell{"BROKEN", red}
	case Failed:
		return cell{"error", yellow}
	}
	return cell{"-", faint}
}

func sixCell(f Finding) cell {
	switch {
	case f.Verdict == Kept:
		return cell{"yes", green}
	case strings.HasPrefix(f.Word, "lost "):
		return cell{f.Word, faint}
	}
	return cell{"no", faint}
}

func furtherCell(f Finding) cell {
	word := f.Word
	if n, err := strconv.Atoi(word); err == nil {
		word = units.Count(n)
	}
	if f.Verdict == Kept {
		return cell{word, green}
	}
	return cell{"(" + word + ")", faint}
}

// measured are the figures of the table, under their headings.
var measured = []struct{ property, figure, heading, meaning string }{
	{"speed", "throughput", "throughput", "of a stream of large messages, roughly"},
	{"speed", "round trip", "round trip", "of a small message and its answer, roughly"},
	{"largest", "largest", "largest", "the largest message, in bytes"},
	{"slow", "arrived", "held", "what is buffered for a receiver that does not read, in bytes"},
	{"queue", "queued", "queued", "clients admitted before an accept, with a backlog of 2"},
	{"reliable", "lost", "lost", "of " + units.Plural(loadRecords, "message")},
}

// figures writes what was measured.
func (t *table) figures() {
	header := []cell{{"KIND", bold}}
	var meanings [][]cell
	for _, m := range measured {
		header = append(header, cell{m.heading, bold})
		meanings = append(meanings, []cell{{m.heading, plain}, {m.meaning, plain}})
	}
	rows := [][]cell{header}
	for _, k := range t.kinds {
		row := []cell{{k.Kind, plain}}
		for _, m := range measured {
			row = append(row, figureCell(k, m.property, m.figure))
		}
		rows = append(rows, row)
	}
	t.rows(rows)
	t.rows(meanings)
}

func figureCell(k KindReport, property, name string) cell {
	f, _ := k.Finding(property)
	for _, n := range f.Figures {
		if n.Name != name {
			continue
		}
		switch n.Unit {
		case "MB/s":
			return cell{units.Rate(8e6 * n.Value), plain}
		case "us":
			return cell{units.Time(time.Duration(n.Value * float64(time.Microsecond))), plain}
		}
		return cell{units.Count(int64(n.Value)), plain} // of bytes, as the legend says
	}
	return cell{"-", faint}
}

// paragraph writes text in lines that fit, the second and those after it
// further in.
func (t *table) paragraph(indent, text string) {
	at := 0 // 0 before the first word
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case at == 0:
			at, _ = t.WriteString(indent)
		case at+1+n > lineWidth:
			t.WriteByte('\n')
			at, _ = t.WriteString(indent + "  ")
		default:
			t.WriteByte(' ')
			at++
		}
		t.WriteString(word)
		at += n
	}
	t.WriteByte('\n')
}

func (t *table) details() {
	for _, k := range t.kinds {
		fmt.Fprintf(t, "%s\n", t.paint(cell{k.Kind, bold}))
		for _, f := range k.Findings {
			c := verdictCell(f, furtherCell)
			c.text = string(f.Verdict)
			fmt.Fprintf(t, "  %s: %s\n", f.Property, t.paint(c))
			t.sentAndSeen(f)
		}
		t.WriteByte('\n')
	}
}

func (t *table) sentAndSeen(f Finding) {
	for _, line := range []struct{ label, text string }{{"sent", f.Sent}, {"seen", f.Seen}, {"reason", f.Reason}} {
		if line.text != "" {
			t.paragraph("    ", line.label+": "+line.text)
		}
	}
}

// broken writes what was sent and seen where a promise was broken.
func (t *table) broken() {
	for _, k := range t.kinds {
		for _, f := range k.Findings {
			if f.Verdict == Broken {
				fmt.Fprintf(t, "%s %s: %s\n", k.Kind, f.Property, t.paint(cell{"BROKEN", red}))
				t.sentAndSeen(f)
				t.WriteByte('\n')
			}
		}
	}
}

// reasons writes why findings have a verdict, those with the same reason
// together.
func (t *table) reasons(v Verdict, title string) {
	kinds := map[[2]string][]string{} // by property and reason
	var order [][2]string
	for _, k := range t.kinds {
		for _, f := range k.Findings {
			if f.Verdict != v || v == Skipped && !slices.Contains(t.shown, f.Property) {
				continue
			}
			key := [2]string{f.Property, f.Reason}
			if kinds[key] == nil {
				order = append(order, key)
			}
			kinds[key] = append(kinds[key], k.Kind)
		}
	}
	if order == nil {
		return
	}
	fmt.Fprintf(t, "%s:\n", title)
	for _, key := range order {
		t.paragraph("  ", key[0]+" of "+strings.Join(kinds[key], ", ")+": "+key[1])
	}
	t.WriteByte('\n')
}

// missing writes which kinds this machine lacks.
func (t *table) missing() {
	if t.lacking == nil {
		return
	}
	fmt.Fprintln(t, "not on this machine:")
	for _, k := range t.lacking {
		t.paragraph("  ", k.Kind+": "+k.Reason)
	}
	t.WriteByte('\n')
}

func (t *table) summary() {
	counts := map[Verdict]int{}
	for _, k := range t.kinds {
		for _, f := range k.Findings {
			counts[f.Verdict]++
		}
	}
	fmt.Fprintf(t, "%s tried: %s kept, %d broken", units.Plural(len(t.kinds), "kind"), units.Plural(counts[Kept], "promise"), counts[Broken])
	if n := counts[Failed]; n > 0 {
		fmt.Fprintf(t, "; %s failed", units.Plural(n, "experiment"))
	}
	t.WriteByte('\n')
}
