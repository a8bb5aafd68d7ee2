package relay_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

const tcpListen = "tcp-listen:127.0.0.1:0"

// Each peer has a TO of its own, at the same time.
func TestManyPeers(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	at := r.address()
	var clients, servers []*socket.Socket
	for range 5 {
		clients = append(clients, dial(t, at))
		servers = append(servers, accept(t, l))
	}
	// Whose server is whose, the first byte tells.
	for i, c := range clients {
		writes(t, c, string(rune('a'+i)))
	}
	for _, s := range servers {
		var b [1]byte
		if _, err := s.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		writes(t, s, string(b[:])+"!")
	}
	for i, c := range clients {
		wants(t, c, string(rune('a'+i))+"!")
	}
	if n := len(r.Open()); n != 5 {
		t.Errorf("%d pairs are open", n)
	}
	for i := range clients {
		try(t, clients[i].Close())
		wantsEOF(t, servers[i])
		try(t, servers[i].Close())
	}
	for range clients {
		p := r.ended()
		if p.Err != nil || p.Result.How != outcome.Finished || p.Result.From[outcome.A].Bytes != 1 || p.Result.From[outcome.B].Bytes != 2 {
			t.Errorf("a pair ended as %+v", p)
		}
	}
	if got := r.Totals(); got.Ended != 5 || got.Open != 0 || got.From[outcome.A].Bytes != 5 || got.From[outcome.B].Bytes != 10 {
		t.Errorf("Totals = %+v", got)
	}
	r.stop()
	try(t, r.over())
}

// Of a name with several addresses the first that takes the connection is used,
// and the pair says which.
func TestName(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	port := strconv.Itoa(int(l.Name().AddrPort().Port()))
	r := relays(t, nil, tcpListen, "tcp:localhost:"+port)
	at := r.address()
	for range 20 {
		c := dial(t, at)
		s := accept(t, l)
		writes(t, c, "hola")
		wants(t, s, "hola")
		try(t, c.Close())
		wantsEOF(t, s)
		try(t, s.Close())
		if p := r.ended(); p.Err != nil || p.Target != "tcp:127.0.0.1:"+port {
			t.Errorf("a pair ended as %+v", p)
		}
	}
}

// Neither listens: there is one pair.
func TestSinglePair(t *testing.T) {
	a, b := listen(t, "tcp:127.0.0.1:0"), listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, addressOf(t, "tcp:127.0.0.1:0", a), addressOf(t, "tcp:127.0.0.1:0", b))
	x, y := accept(t, a), accept(t, b)
	writes(t, x, "hola")
	wants(t, y, "hola")
	writes(t, y, "mundo")
	wants(t, x, "mundo")
	try(t, x.Close())
	wantsEOF(t, y)
	try(t, y.Close())
	try(t, r.over())
}

// Both listen: each peer of FROM meets the next of TO.
func TestBothListen(t *testing.T) {
	r := relays(t, nil, tcpListen, tcpListen)
	var at [2]string
	for i := range at {
		at[i] = r.address()
	}
	for range 3 {
		x, y := dial(t, at[0]), dial(t, at[1])
		writes(t, x, "hola")
		wants(t, y, "hola")
		try(t, x.Close())
		wantsEOF(t, y)
		try(t, y.Close())
		if p := r.ended(); p.Err != nil {
			t.Errorf("a pair ended as %+v", p)
		}
	}
}

// Only TO listens: one of its peers is joined with FROM.
func TestOnlySecondListens(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, addressOf(t, "tcp:127.0.0.1:0", l), tcpListen)
	y := dial(t, r.address())
	x := accept(t, l)
	writes(t, x, "hola")
	wants(t, y, "hola")
	try(t, x.Close())
	try(t, y.Close())
	try(t, r.over())
}

// The option once takes one peer; those that come after it are refused.
func TestOnce(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, func(b *relay.Relay) { b.Drain = time.Nanosecond }, tcpListen+",once", addressOf(t, "tcp:127.0.0.1:0", l))
	x := dial(t, r.address())
	y := accept(t, l)
	writes(t, x, "hola")
	wants(t, y, "hola")
	try(t, x.Close())
	try(t, y.Close())
	try(t, r.over())
}

// Datagrams: each peer is a session with a socket of its own.
func TestSessions(t *testing.T) {
	server := listen(t, "udp:127.0.0.1:0").Sockets()[0]
	r := relays(t, nil, "udp-listen:127.0.0.1:0", "udp:"+server.Name().String())
	at := r.address()
	x, y := dial(t, at), dial(t, at)
	var names []socket.Name
	for _, c := range []*socket.Socket{x, y} {
		writes(t, c, "hola")
		var m socket.Message
		m.SetData(make([]byte, 100))
		try(t, server.Receive(&m))
		names = append(names, m.Peer)
		m.Buffers[0] = []byte("mundo")
		if _, err := server.Send(&m); err != nil {
			t.Fatal(err)
		}
		wantsMessage(t, c, "mundo")
	}
	if names[0] == names[1] {
		t.Errorf("both peers come from %v", names[0])
	}
}

// What can never be joined is refused before anything is opened.
func TestRefusedPairs(t *testing.T) {
	for _, test := range []struct {
		from, to string
		words    []string
	}{
		{"tcp-listen:127.0.0.1:0", "unix-seqpacket:/nowhere", []string{"add frame=FORMAT to tcp-listen:127.0.0.1:0", "tcp carries bytes"}},
		{"udp-listen:127.0.0.1:0", "tcp:127.0.0.1:1", []string{"add frame=FORMAT to tcp:127.0.0.1:1"}},
		{"udp-listen:127.0.0.1:0,frame=lines", "udp:127.0.0.1:1", []string{"udp keeps message boundaries itself: omit frame=lines"}},
		{"tcp-listen:127.0.0.1:0,frame=lines", "tcp:127.0.0.1:1", []string{"add frame=FORMAT to tcp:127.0.0.1:1"}},
		{"raw-listen:127.0.0.1,protocol=253", "udp:127.0.0.1:1", []string{"cannot tell its peers apart"}},
	} {
		b := &relay.Relay{Config: relay.Config{From: parse(t, test.from)}}
		b.To = append(b.To, parse(t, test.to))
		if err := b.Run(t.Context()); !mentions(err, test.words...) {
			t.Errorf("%s to %s: %v", test.from, test.to, err)
		}
	}
	b := &relay.Relay{Config: relay.Config{From: parse(t, "tcp-listen:127.0.0.1:0")}}
	if err := b.Run(t.Context()); !mentions(err, "give TO") {
		t.Errorf("without TO: %v", err)
	}
	b.To = append(b.To, parse(t, "tcp-listen:127.0.0.1:0"), parse(t, "tcp:127.0.0.1:1"))
	var refused *relay.PairError // wrong usage, to the command
	if err := b.Run(t.Context()); !mentions(err, "must be the only one") || !errors.As(err, &refused) {
		t.Errorf("with two TO of which one listens: %v", err)
	}
}

// A socket that listens already, and was inherited.
func TestInheritedListener(t *testing.T) {
	s, err := socket.New(socket.Inet, socket.Stream, 0)
	try(t, err)
	try(t, s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))))
	try(t, s.Listen(0))
	name := s.Name().String()
	fd, err := s.Detach()
	try(t, err)
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, fmt.Sprintf("fd-listen:%d", fd), addressOf(t, "tcp:127.0.0.1:0", l))
	r.address()
	x := dial(t, "tcp:"+name)
	y := accept(t, l)
	writes(t, x, "hola")
	wants(t, y, "hola")
}
