package main

import (
	"context"
	"iter"

	"zocalo/sockstat"
)

// A sink lays sockets out as rows of cells, and prints rows.
type sink interface {
	// cells makes the row of a socket, in memory that the next call uses again. All rows have as many cells.
	cells(s *sockstat.Socket) [][]byte
	// begin is called once, before the first row, with the rows that are there by then, which are
	// all there will be or heldSockets at least.
	begin(sample iter.Seq[[][]byte], all bool) error
	row(cells [][]byte) error
	end() error
}

// heldSockets are how many sockets are held before the first is printed: a list
// that is no longer is put in order, and a table's widths are theirs.
const heldSockets = 1000

// An orderKey is one column of an order.
type orderKey struct {
	column *sockstat.Column
	down   bool // the largest first
}

// usualOrder is that of a short list without --sort.
var usualOrder = []orderKey{{column: mustColumn("netns")}, {column: mustColumn("kind")}, {column: mustColumn("lport")}, {column: mustColumn("local")}, {column: mustColumn("peer")}}

// mustColumn finds a column that is there.
func mustColumn(name string) *sockstat.Column {
	c, err := sockstat.FindColumn(name)
	if err != nil {
		panic(err)
	}
	return c
}

// ordering puts rows in order, which holds all of them only where the user
// asked for an order, and hands them on.
type ordering struct {
	sink     sink
	order    []orderKey // of --sort
	resolver *resolver  // nil without --resolve

	unnamed []*sockstat.Socket // with a resolver: those whose names are still to be found
	held    heldRows
	key     []byte
	flows   bool // too many were held: rows are handed on as they come
}

// list runs q, and returns how many sockets there were.
func (o *ordering) list(ctx context.Context, q sockstat.Query) (n int, err error) {
	for s, err := range sockstat.Sockets(ctx, q) {
		if err == nil {
			n++
			err = o.take(ctx, s)
		}
		if err != nil {
			return n, err
		}
	}
	return n, o.end(ctx)
}

// take holds a socket or hands it on. Names are found for many at once.
func (o *ordering) take(ctx context.Context, s *sockstat.Socket) error {
	if o.resolver == nil {
		return o.put(s)
	}
	if o.unnamed = append(o.unnamed, s.Clone()); len(o.unnamed) < heldSockets {
		return nil
	}
	return o.name(ctx)
}

// name finds names, and goes on with the sockets that waited for them.
func (o *ordering) name(ctx context.Context) error {
	o.resolver.find(ctx, o.unnamed)
	for _, s := range o.unnamed {
		if err := o.put(s); err != nil {
			return err
		}
	}
	clear(o.unnamed)
	o.unnamed = o.unnamed[:0]
	return nil
}

// put holds the row of a socket, or prints it. A list that grows too long to be held is
// printed as it comes.
func (o *ordering) put(s *sockstat.Socket) error {
	if o.order == nil && len(o.held.rows) == heldSockets {
		if err := o.handOn(false); err != nil {
			return err
		}
		o.flows = true
	}
	cells := o.sink.cells(s)
	if o.flows {
		return o.sink.row(cells)
	}
	order := o.order
	if order == nil {
		order = usualOrder
	}
	o.key = appendOrderKey(o.key[:0], order, s)
	o.held.add(o.key, cells)
	return nil
}

// end prints what is still held, in order.
func (o *ordering) end(ctx context.Context) error {
	if o.resolver != nil {
		if err := o.name(ctx); err != nil {
			return err
		}
	}
	if !o.flows {
		if err := o.handOn(true); err != nil {
			return err
		}
	}
	return o.sink.end()
}

// handOn prints what is held, in order if it is all there is.
func (o *ordering) handOn(all bool) error {
	if all {
		o.held.sort()
	}
	held := o.held.cells()
	if err := o.sink.begin(held, all); err != nil {
		return err
	}
	for cells := range held {
		if err := o.sink.row(cells); err != nil {
			return err
		}
	}
	o.held = heldRows{} // whose memory may go
	return nil
}

// appendOrderKey appends the key of a socket in an order: those of two sockets compare as they do.
func appendOrderKey(dst []byte, order []orderKey, s *sockstat.Socket) []byte {
	for _, o := range order {
		n := len(dst)
		dst = o.column.AppendKey(dst, s)
		if o.down {
			for i := range dst[n:] {
				dst[n+i] ^= 0xff
			}
		}
	}
	return dst
}
