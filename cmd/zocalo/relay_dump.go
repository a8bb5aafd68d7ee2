package main

import (
	"fmt"
	"sync"
	"time"

	"zocalo/internal/units"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/service/verb"
)

// A dump prints what passes through a relay on standard error.
type dump struct {
	*app
	row     func(dst []byte, d dumped) []byte
	service string // whose it is, "" without

	mu      sync.Mutex
	buf     []byte
	offsets map[int64]*[2]int64 // of each pair, by direction
}

// dumped is a piece of what passes.
type dumped struct {
	when   time.Time
	of     string // a service
	pair   int64
	from   outcome.Side
	what   join.What
	offset int64 // of its first byte in that direction
	data   []byte
}

// newDump returns the dump that was asked for, nil where none was.
func (a *app) newDump(told *verb.Relay, service string) *dump {
	d := &dump{app: a, service: service, offsets: make(map[int64]*[2]int64)}
	switch {
	case told.Dump:
		d.row = quotedDump
	case told.DumpHex:
		d.row = hexDump
	default:
		return nil
	}
	return d
}

func (d *dump) see(p relay.Pair, from relay.Side, what relay.Piece) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.offsets[p.Number]
	if at == nil {
		at = new([2]int64)
		d.offsets[p.Number] = at
	}
	d.buf = d.row(d.buf[:0], dumped{time.Now(), d.service, p.Number, from, what.What, at[from], what.Data})
	at[from] += int64(len(what.Data))
	d.dumpLines(d.buf)
}

// result is why the dump is not whole, nil where it is.
func (d *dump) result() error {
	if d == nil {
		return nil
	}
	if err := d.journal.failure(); err != nil {
		return newStandardError("the dump on standard error is incomplete", err)
	}
	return nil
}

// forget drops what is kept of a pair that is over.
func (d *dump) forget(pair int64) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.offsets, pair)
}

// direction is the mark of what the peer of FROM sends, and of what it gets.
func (d dumped) direction() byte { return [2]byte{'>', '<'}[d.from] }

// appendHead appends when, of which pair and in which direction.
func (d dumped) appendHead(dst []byte) []byte {
	dst = d.when.AppendFormat(dst, "15:04:05.000000")
	if d.of != "" {
		dst = append(append(dst, ' '), d.of...)
	}
	dst = fmt.Appendf(dst, " #%d %c", d.pair, d.direction())
	if d.what == join.Urgent {
		dst = append(dst, '!')
	}
	return append(dst, ' ')
}

// quotedDump is a row for each piece, as Python's repr writes it.
func quotedDump(dst []byte, d dumped) []byte {
	return append(appendQuoted(d.appendHead(dst), d.data), '\n')
}

// hexDump is a head for each piece, and rows of 16 bytes.
func hexDump(dst []byte, d dumped) []byte {
	dst = fmt.Appendf(d.appendHead(dst), "%s\n", units.Plural(len(d.data), "byte"))
	return appendHex(dst, d.direction(), d.what == join.Urgent, d.offset, d.data)
}
