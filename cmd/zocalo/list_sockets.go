package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"zocalo/sockstat"
)

// A shownColumn is a column of the table of sockets.
type shownColumn struct {
	*sockstat.Column
	// leave is 0 for a column that stays. The others are left out when they are empty, and on a
	// terminal that is too narrow, the one with the highest number first.
	leave int
}

// usualColumns are those that are shown without --columns.
func usualColumns(all, allNetns bool) []shownColumn {
	columns := []shownColumn{
		{mustColumn("kind"), 0}, {mustColumn("state"), 0}, {mustColumn("recvq"), 2}, {mustColumn("sendq"), 3},
		{mustColumn("local"), 0}, {mustColumn("peer"), 0}, {mustColumn("process"), 0}, {mustColumn("pid"), 1},
		{mustColumn("fd"), 6}, {mustColumn("user"), 5}, {mustColumn("peer_process"), 4},
	}
	if allNetns {
		columns = slices.Insert(columns, 0, shownColumn{mustColumn("netns"), 0})
	}
	if all {
		return columns
	}
	// What listens has nobody at the other end.
	return slices.DeleteFunc(columns, func(c shownColumn) bool { return strings.HasPrefix(c.Name, "peer") })
}

func shown(columns []shownColumn) []*sockstat.Column {
	list := make([]*sockstat.Column, len(columns))
	for i, c := range columns {
		list[i] = c.Column
	}
	return list
}

// mptcpWord is MPTCP in a table: whoever looks for lines that begin with tcp means
// these too, which Go's servers listen on without having asked for them.
const mptcpWord = "tcp/mp"

// tableSink prints sockets as a table.
type tableSink struct {
	*list
	columns  []shownColumn
	table    *table
	resolver *resolver // nil without --resolve

	all   []shownColumn // the columns of a row's cells
	made  [][]byte      // the cells of one row
	shown []int         // which of all are in columns, those that were not left out
	kept  [][]byte      // the cells of those
}

// begin lays the table out, for the rows that are there, and prints its head.
func (t *tableSink) begin(sample iter.Seq[[][]byte], all bool) error {
	for i, c := range t.columns {
		t.table.columns = append(t.table.columns, layout(c.Column))
		t.shown = append(t.shown, i)
	}
	t.table.begin()
	some := false
	for cells := range sample {
		t.table.measure(cells)
		some = true
	}
	t.leaveOutSome(some && all)
	t.table.shrink()
	return t.table.header()
}

// leaveOutSome leaves columns out: of the usual ones those that are empty, if
// that is known, and on a terminal those that there is no room for.
func (t *tableSink) leaveOutSome(known bool) {
	if known {
		for i := len(t.columns) - 1; i >= 0; i-- {
			if t.columns[i].leave > 0 && t.table.columns[i].empty {
				t.leaveOut(i)
			}
		}
	}
	for !t.table.fits(tableColumn.fairWidth) {
		out := 0
		for i, c := range t.columns {
			if c.leave > t.columns[out].leave {
				out = i
			}
		}
		if t.columns[out].leave == 0 {
			break
		}
		t.leaveOut(out)
	}
	var without []string
	for !t.table.fits(tableColumn.leastWidth) && len(t.columns) > 1 {
		out := len(t.columns) - 1
		without = append(without, t.columns[out].Name)
		t.leaveOut(out)
	}
	if without != nil {
		slices.Reverse(without)
		t.note(fmt.Sprintf("no room for %s: a wider terminal shows more, a pipe everything", strings.Join(without, ", ")))
	}
}

// layout says how a column may be made narrower.
func layout(c *sockstat.Column) tableColumn {
	t := tableColumn{heading: c.Header, right: c.Unit != sockstat.Text && c.Unit != sockstat.Flag}
	switch c.Name {
	case "local", "peer":
		t.least, t.fair, t.middle = 12, 19, true
	case "laddr", "raddr", "cgroup", "path", "command", "netns":
		t.least, t.fair, t.middle = 12, 16, true
	case "process", "peer_process", "user", "interface", "pid", "peer_pid", "fd", "options":
		t.least, t.fair = 7, 12
	}
	return t
}

func (t *tableSink) leaveOut(i int) {
	t.columns = slices.Delete(t.columns, i, i+1)
	t.table.columns = slices.Delete(t.table.columns, i, i+1)
	t.shown = slices.Delete(t.shown, i, i+1)
}

func (t *tableSink) cells(s *sockstat.Socket) [][]byte {
	if t.all == nil {
		t.all = slices.Clone(t.columns)
		t.made = make([][]byte, len(t.all))
	}
	for i, c := range t.all {
		cell := t.made[i][:0]
		if t.resolver != nil {
			cell = t.resolver.appendCell(cell, c.Name, s)
		}
		switch {
		case len(cell) > 0:
		case c.Name == "kind" && s.Kind == sockstat.MPTCP:
			cell = append(cell, mptcpWord...)
		default:
			cell = c.AppendText(cell, s)
		}
		t.made[i] = cell
	}
	return t.made
}

func (t *tableSink) row(cells [][]byte) error {
	t.kept = t.kept[:0]
	for _, i := range t.shown {
		t.kept = append(t.kept, cells[i])
	}
	return t.table.row(t.kept)
}

func (t *tableSink) end() error { return nil }
