package sockstat

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrOverrun says that the kernel told of more sockets than there was room for: some are missed.
var ErrOverrun = errors.New("the kernel reported more closed sockets than could be read in time: some were missed")

// Closings hears of each TCP and UDP socket that is closed, as soon as the kernel frees it: those too
// that live too short to be in any listing. Use from one goroutine.
type Closings struct{ closings }

// WatchClosings begins to hear of the sockets that q asks for, by its kinds, Filter, Want, Netns and Details: of these
// TCPInfos and Users alone, for what is closed has no process any more. From when it returns no
// socket is missed, unless Next says so. When ctx ends, so does Next. It takes no rights.
func WatchClosings(ctx context.Context, q Query) (*Closings, error) {
	for i := range q.Filter.terms {
		t := &q.Filter.terms[i]
		if key := t.key(); !toldOfClosed(key) || t.needs&PeerNames != 0 {
			return nil, fmt.Errorf("the kernel does not report %s of a closed socket: filter by its addresses or its TCP figures", Quote(key))
		}
	}
	for _, k := range q.Kinds {
		if k != TCP && k != UDP {
			return nil, fmt.Errorf("the kernel reports only closed TCP and UDP sockets, not %v: omit it", k)
		}
	}
	q.Details |= q.Filter.Needs()
	c := &Closings{}
	if err := c.open(ctx, q); err != nil {
		return nil, err
	}
	return c, nil
}

// toldOfClosed reports whether the kernel tells what a key of a filter is about of a
// socket that is closed.
func toldOfClosed(key string) bool {
	switch key {
	case "kind", "type", "port", "addr", "local", "peer", "laddr", "raddr", "lport", "rport", "interface", "cookie", "netns":
		return true
	case "congestion":
		return false
	}
	c := findColumn(key)
	return c != nil && c.Needs == TCPInfos && !strings.HasPrefix(key, "mptcp")
}

// Next waits for the next socket. It is as it was when it was freed (one that its own program reset has
// lost the peer's port by then), in state [Unconnected], and is overwritten by the next
// call. An error that matches [ErrOverrun] is no end: call it again.
func (c *Closings) Next() (*Socket, error) { return c.next() }

// Close ends it.
func (c *Closings) Close() { c.close() }
