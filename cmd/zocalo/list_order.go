package main

import (
	"context"
	"slices"

	"zocalo/sockstat"
)

// A sink prints sockets, or counts them.
type sink interface {
	// put takes sockets, which it must not keep. last says that no more come; the
	// first batch is as long as heldSockets where there are as many.
	put(batch []*sockstat.Socket, last bool) error
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
var usualOrder = []orderKey{{column: mustColumn("kind")}, {column: mustColumn("lport")}, {column: mustColumn("local")}, {column: mustColumn("peer")}}

// mustColumn finds a column that is there.
func mustColumn(name string) *sockstat.Column {
	c, err := sockstat.FindColumn(name)
	if err != nil {
		panic(err)
	}
	return c
}

// ordering puts sockets in order, which holds all of them only where the user
// asked for an order, and hands them on.
type ordering struct {
	sink      sink
	order     []orderKey // of --sort
	unordered bool       // the sink does not care: nothing is held
	resolver  *resolver  // nil without --resolve

	held  []*sockstat.Socket
	flows bool // a first batch was handed on
	one   [1]*sockstat.Socket
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

// end hands on what is still held, in order.
func (o *ordering) end(ctx context.Context) error {
	order := o.order
	if order == nil && !o.flows {
		order = usualOrder
	}
	slices.SortStableFunc(o.held, func(a, b *sockstat.Socket) int { return compareBy(order, a, b) })
	return o.handOn(ctx, true)
}

// take holds a socket or hands it on. A list that grows too long to be held is
// handed on as it comes; with names to be found, batch by batch.
func (o *ordering) take(ctx context.Context, s *sockstat.Socket) error {
	if o.order == nil && len(o.held) == heldSockets {
		if err := o.handOn(ctx, false); err != nil {
			return err
		}
		o.flows = true
	}
	if o.unordered || o.flows && o.resolver == nil {
		o.one[0] = s
		return o.sink.put(o.one[:], false)
	}
	o.held = append(o.held, s.Clone())
	return nil
}

// handOn gives the sink what is held.
func (o *ordering) handOn(ctx context.Context, last bool) error {
	if o.resolver != nil {
		o.resolver.find(ctx, o.held)
	}
	err := o.sink.put(o.held, last)
	clear(o.held)
	o.held = o.held[:0]
	return err
}

func compareBy(order []orderKey, a, b *sockstat.Socket) int {
	for _, o := range order {
		c := o.column.Compare(a, b)
		if o.down {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
