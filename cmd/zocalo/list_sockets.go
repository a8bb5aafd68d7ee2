package main

import (
	"fmt"
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
func usualColumns(all bool) []shownColumn {
	columns := []shownColumn{
		{mustColumn("kind"), 0}, {mustColumn("state"), 0}, {mustColumn("recvq"), 2}, {mustColumn("sendq"), 3},
		{mustColumn("local"), 0}, {mustColumn("peer"), 0}, {mustColumn("process"), 0}, {mustColumn("pid"), 1},
		{mustColumn("fd"), 6}, {mustColumn("user"), 5}, {mustColumn("peer_process"), 4},
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

// tableSink prints sockets as a table.
type tableSink struct {
	*list
	columns  []shownColumn
	table    *table
	resolver *resolver // nil without --resolve

	cells [][]byte // of one row
	begun bool
}

// put prints sockets. The first of them decide how wide the columns are.
func (t *tableSink) put(batch []*sockstat.Socket, last bool) error {
	if !t.begun {
		t.begun = true
		t.begin(batch, last)
		if err := t.table.header(); err != nil {
			return err
		}
	}
	for _, s := range batch {
		if err := t.table.row(t.render(s)); err != nil {
			return err
		}
	}
	return nil
}

// begin lays the table out for the sockets that will be shown, of which sample
// are the first, or all.
func (t *tableSink) begin(sample []*sockstat.Socket, all bool) {
	t.cells = make([][]byte, len(t.columns))
	for _, c := range t.columns {
		t.table.columns = append(t.table.columns, layout(c.Column))
	}
	t.table.begin()
	for _, s := range sample {
		t.table.measure(t.render(s))
	}
	if all && len(sample) > 0 {
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
	t.table.shrink()
}

// layout says how a column may be made narrower.
func layout(c *sockstat.Column) tableColumn {
	t := tableColumn{heading: c.Header, right: c.Unit != sockstat.Text && c.Unit != sockstat.Flag}
	switch c.Name {
	case "local", "peer":
		t.least, t.fair, t.middle = 12, 19, true
	case "laddr", "raddr", "cgroup":
		t.least, t.fair, t.middle = 12, 16, true
	case "process", "peer_process", "user", "interface", "pid", "peer_pid", "fd", "options":
		t.least, t.fair = 7, 12
	}
	return t
}

func (t *tableSink) leaveOut(i int) {
	t.columns = slices.Delete(t.columns, i, i+1)
	t.table.columns = slices.Delete(t.table.columns, i, i+1)
	t.cells = t.cells[:len(t.columns)]
}

// render makes the cells of a row, whose memory the next call uses again.
func (t *tableSink) render(s *sockstat.Socket) [][]byte {
	for i, c := range t.columns {
		cell := t.cells[i][:0]
		if t.resolver != nil {
			cell = t.resolver.appendCell(cell, c.Name, s)
		}
		if len(cell) == 0 {
			cell = c.AppendText(cell, s)
		}
		t.cells[i] = cell
	}
	return t.cells
}
