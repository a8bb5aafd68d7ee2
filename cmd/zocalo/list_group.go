package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"zocalo/internal/nearest"
	"zocalo/sockstat"
)

// unnamed stands for a process without a name, which no name can be.
const unnamed = "\x00"

// A grouping is one way to count sockets.
type grouping struct {
	name    string
	heading string
	needs   sockstat.Details
	keys    func(dst []string, s *sockstat.Socket) []string // appends the groups that a socket belongs to, each once
}

var groupings = []*grouping{
	{"process", "PROCESS", sockstat.Processes, func(dst []string, s *sockstat.Socket) []string {
		for _, h := range s.Holders {
			name := h.Name
			if name == "" { // a process may call itself so, and is not none
				name = unnamed
			}
			if !slices.Contains(dst, name) {
				dst = append(dst, name)
			}
		}
		return dst
	}},
	{"state", "STATE", 0, func(dst []string, s *sockstat.Socket) []string { return append(dst, s.State.String()) }},
	{"peer", "PEER", sockstat.PeerNames, func(dst []string, s *sockstat.Socket) []string {
		switch address := peerAddress.Text(s); {
		case address != "":
			return append(dst, address)
		case s.Kind == sockstat.Unix && s.Peer.Abstract:
			return append(dst, "@"+s.Peer.Path)
		case s.Kind == sockstat.Unix && s.Peer.Path != "":
			return append(dst, s.Peer.Path)
		case s.Kind == sockstat.Vsock && s.Peer.CID != sockstat.AnyCID:
			return append(dst, strconv.FormatUint(uint64(s.Peer.CID), 10))
		}
		return dst
	}},
	{"port", "PORT", 0, func(dst []string, s *sockstat.Socket) []string {
		if port := localPort.Text(s); port != "" {
			return append(dst, port)
		}
		return dst
	}},
}

var peerAddress, localPort = mustColumn("raddr"), mustColumn("lport")

func groupNames() []string {
	names := make([]string, len(groupings))
	for i, g := range groupings {
		names[i] = g.name
	}
	return names
}

// findGroup reads --group.
func findGroup(name string) (*grouping, error) {
	if name == "" {
		return nil, nil
	}
	for _, g := range groupings {
		if g.name == name {
			return g, nil
		}
	}
	return nil, fmt.Errorf("--group: %w", nearest.Unknown("word", name, groupNames()))
}

// A groupCount is what is counted of a group.
type groupCount struct {
	key                           string
	sockets, listening, connected uint64
	recvq, sendq                  uint64 // bytes in the queues of those that do not listen
}

// name is the group's name, for people.
func (c *groupCount) name() string {
	if c.key == unnamed {
		return ""
	}
	return c.key
}

// groupCounter counts sockets. Its memory grows with the number of groups alone.
type groupCounter struct {
	*list
	out   *bufio.Writer
	group *grouping

	counts map[string]*groupCount
	keys   []string
}

// run counts what q finds, and returns how many sockets that were.
func (g *groupCounter) run(ctx context.Context, q sockstat.Query) (n int, err error) {
	for s, err := range sockstat.Sockets(ctx, q) {
		if err != nil {
			return n, err
		}
		n++
		g.count(s)
	}
	return n, g.print()
}

// print prints the groups, the largest first.
func (g *groupCounter) print() error {
	var groups []*groupCount
	for _, c := range g.counts {
		groups = append(groups, c)
	}
	slices.SortFunc(groups, func(a, b *groupCount) int {
		return cmp.Or(cmp.Compare(b.sockets, a.sockets), cmp.Compare(a.key, b.key))
	})
	if g.json || g.jsonl {
		return g.printJSON(groups)
	}
	return g.printTable(groups)
}

// count adds a socket to its groups, or to the one of those that have none.
func (g *groupCounter) count(s *sockstat.Socket) {
	if g.keys = g.group.keys(g.keys[:0], s); len(g.keys) == 0 {
		g.keys = append(g.keys, "")
	}
	if g.counts == nil {
		g.counts = make(map[string]*groupCount)
	}
	for _, key := range g.keys {
		c := g.counts[key]
		if c == nil {
			c = &groupCount{key: key}
			g.counts[key] = c
		}
		c.sockets++
		switch s.State {
		case sockstat.Listen:
			c.listening++
			continue // its queues hold connections, not bytes
		case sockstat.Unconnected, sockstat.Bound:
			if s.Listening() {
				c.listening++
			}
		default:
			c.connected++
		}
		c.recvq += uint64(s.RecvQ)
		c.sendq += uint64(s.SendQ)
	}
}

func (g *groupCounter) printTable(groups []*groupCount) error {
	t := g.newTable(g.out)
	t.columns = []tableColumn{
		{heading: g.group.heading, least: 12, fair: 12, middle: g.group.name == "peer"},
		{heading: "SOCKETS", right: true}, {heading: "LISTENING", right: true}, {heading: "CONNECTED", right: true},
		{heading: "RECV-Q", right: true}, {heading: "SEND-Q", right: true},
	}
	t.begin()
	cells := make([][]byte, len(t.columns))
	render := func(c *groupCount) [][]byte {
		cells[0] = cells[0][:0]
		if c.key != "" {
			cells[0] = append(cells[0], sockstat.Quote(c.name())...)
		}
		for i, n := range [...]uint64{c.sockets, c.listening, c.connected, c.recvq, c.sendq} {
			cells[i+1] = strconv.AppendUint(cells[i+1][:0], n, 10)
		}
		return cells
	}
	for _, c := range groups {
		t.measure(render(c))
	}
	t.shrink()
	if err := t.header(); err != nil {
		return err
	}
	for _, c := range groups {
		if err := t.row(render(c)); err != nil {
			return err
		}
	}
	return nil
}

// printJSON prints objects whose first key is the name of the grouping, with
// null for the sockets that are in no group.
func (g *groupCounter) printJSON(groups []*groupCount) error {
	var b []byte
	if g.json {
		b = append(b, '[')
	}
	for i, c := range groups {
		if g.json && i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"`...), g.group.name...), `":`...)
		switch {
		case c.key == "":
			b = append(b, "null"...)
		case g.group.name == "port":
			b = append(b, c.key...) // a number
		default:
			b = sockstat.AppendJSONString(b, c.name())
		}
		b = fmt.Appendf(b, `,"sockets":%d,"listening":%d,"connected":%d,"recvq":%d,"sendq":%d}`,
			c.sockets, c.listening, c.connected, c.recvq, c.sendq)
		if g.jsonl {
			b = append(b, '\n')
		}
	}
	if g.json {
		b = append(b, "]\n"...)
	}
	_, err := g.out.Write(b)
	return err
}
