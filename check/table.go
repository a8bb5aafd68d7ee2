package check

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// TableOptions are how a report is written for people.
type TableOptions struct {
	// Figures adds a table of what was measured.
	Figures bool
	// Details adds what was sent and what was seen, for every property.
	Details bool
	// Color marks the verdicts with the colours of a terminal (ECMA-48).
	Color bool
}

// A column of a table is a property, under a heading that may be shorter.
type column struct{ property, heading string }

var promises = []column{
	{"reliable", "reliable"}, {"ordered", "ordered"}, {"unduplicated", "unduplicated"}, {"intact", "intact"},
	{"connected", "connected"}, {"bounded", "bounded"}, {"urgent", "urgent"},
}

var behaviours = []column{
	{"slow", "slow"}, {"nobody", "nobody"}, {"largest", "largest"}, {"queue", "queue"}, {"waiting", "waiting"},
	{"names", "names"}, {"ways", "ways"}, {"reach", "reach"}, {"descriptors", "fds"},
}

const legend = `yes, or a word: promised and kept    BROKEN: promised and broken
(a word): not promised, what was seen    -: not tried
slow: a receiver that does not read    nobody: sending where nobody listens
`

const figuresLegend = `held unread: what is kept for a receiver that does not read
queued: clients that get in before an accept, with a backlog of 2    lost: of %d messages
`

// WriteTable writes the report as tables, at most 100 columns wide unless what
// a kind answered is longer; then what needs a sentence: promises that were
// broken, experiments that failed, and what was not tried, with the reasons.
func (r Report) WriteTable(w io.Writer, o TableOptions) error {
	t := &table{Writer: bufio.NewWriter(w), report: r, TableOptions: o}
	for _, columns := range [][]column{promises, behaviours} {
		t.verdicts(columns)
	}
	if o.Figures {
		t.figures()
	}
	t.WriteString(legend)
	if o.Figures {
		fmt.Fprintf(t, figuresLegend, loadRecords)
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
	report Report
	TableOptions
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

// verdicts writes one table of verdicts; columns that nobody tried are left
// out.
func (t *table) verdicts(columns []column) {
	var used []column
	for _, c := range columns {
		if t.tried(c.property) {
			used = append(used, c)
		}
	}
	if used == nil {
		return
	}
	header := []cell{{"KIND", bold}}
	for _, c := range used {
		header = append(header, cell{c.heading, bold})
	}
	rows := [][]cell{header}
	for _, k := range t.report.Kinds {
		if !k.Available {
			continue
		}
		row := []cell{{k.Kind, plain}}
		for _, c := range used {
			row = append(row, verdictCell(k, c.property))
		}
		rows = append(rows, row)
	}
	t.rows(rows)
}

func (t *table) tried(property string) bool {
	for _, k := range t.report.Kinds {
		if _, ok := k.Finding(property); ok {
			return true
		}
	}
	return false
}

func verdictCell(k KindReport, property string) cell {
	f, ok := k.Finding(property)
	if !ok {
		return cell{"-", faint}
	}
	switch f.Verdict {
	case Kept:
		for _, c := range promises {
			if c.property == property && property != "urgent" {
				return cell{"yes", green}
			}
		}
		return cell{f.Word, green}
	case Broken:
		return cell{"BROKEN", red}
	case NotPromised:
		return cell{"(" + f.Word + ")", faint}
	case Failed:
		return cell{"error", yellow}
	}
	return cell{"-", faint}
}

// measured are the figures of the table, under their headings.
var measured = []struct{ property, figure, heading string }{
	{"speed", "throughput", "throughput"}, {"speed", "round trip", "round trip"}, {"largest", "largest", "largest"},
	{"slow", "arrived", "held unread"}, {"queue", "queued", "queued"}, {"reliable", "lost", "lost"},
}

// figures writes what was measured.
func (t *table) figures() {
	header := []cell{{"KIND", bold}}
	for _, m := range measured {
		header = append(header, cell{m.heading, bold})
	}
	rows := [][]cell{header}
	for _, k := range t.report.Kinds {
		if !k.Available {
			continue
		}
		row := []cell{{k.Kind, plain}}
		for _, m := range measured {
			row = append(row, figureCell(k, m.property, m.figure))
		}
		rows = append(rows, row)
	}
	t.rows(rows)
}

func figureCell(k KindReport, property, name string) cell {
	f, _ := k.Finding(property)
	for _, n := range f.Figures {
		if n.Name != name {
			continue
		}
		value := fmt.Sprintf("%.0f", n.Value)
		if n.Value < 100 && n.Value != float64(int(n.Value)) {
			value = fmt.Sprintf("%.1f", n.Value)
		}
		return cell{strings.TrimSpace(value + " " + n.Unit), plain}
	}
	return cell{"-", faint}
}

func (t *table) details() {
	for _, k := range t.report.Kinds {
		if !k.Available {
			continue
		}
		fmt.Fprintf(t, "\n%s\n", t.paint(cell{k.Kind, bold}))
		for _, f := range k.Findings {
			c := verdictCell(k, f.Property)
			c.text = string(f.Verdict)
			fmt.Fprintf(t, "  %s: %s\n", f.Property, t.paint(c))
			t.sentAndSeen(f)
		}
	}
}

func (t *table) sentAndSeen(f Finding) {
	for _, line := range []struct{ label, text string }{{"sent", f.Sent}, {"seen", f.Seen}, {"reason", f.Reason}} {
		if line.text != "" {
			fmt.Fprintf(t, "    %s: %s\n", line.label, line.text)
		}
	}
}

// broken writes what was sent and seen where a promise was broken.
func (t *table) broken() {
	for _, k := range t.report.Kinds {
		for _, f := range k.Findings {
			if f.Verdict == Broken {
				fmt.Fprintf(t, "\n%s %s: %s\n", k.Kind, f.Property, t.paint(cell{"BROKEN", red}))
				t.sentAndSeen(f)
			}
		}
	}
}

// reasons writes why findings have a verdict, those with the same reason
// together.
func (t *table) reasons(v Verdict, title string) {
	kinds := map[[2]string][]string{} // by property and reason
	var order [][2]string
	for _, k := range t.report.Kinds {
		for _, f := range k.Findings {
			if f.Verdict != v {
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
	fmt.Fprintf(t, "\n%s:\n", title)
	for _, key := range order {
		fmt.Fprintf(t, "  %s of %s: %s\n", key[0], strings.Join(kinds[key], ", "), key[1])
	}
}

// missing writes which kinds this machine lacks.
func (t *table) missing() {
	title := "\nnot on this machine:\n"
	for _, k := range t.report.Kinds {
		if !k.Available {
			fmt.Fprintf(t, "%s  %s: %s\n", title, k.Kind, k.Reason)
			title = ""
		}
	}
}

func (t *table) summary() {
	kinds, kept, broken, failed := 0, 0, 0, 0
	for _, k := range t.report.Kinds {
		if k.Available {
			kinds++
		}
		for _, f := range k.Findings {
			switch f.Verdict {
			case Kept:
				kept++
			case Broken:
				broken++
			case Failed:
				failed++
			}
		}
	}
	fmt.Fprintf(t, "\n%s tried: %s kept, %d broken", plural(kinds, "kind"), plural(kept, "promise"), broken)
	if failed > 0 {
		fmt.Fprintf(t, "; %s failed", plural(failed, "experiment"))
	}
	t.WriteByte('\n')
}
