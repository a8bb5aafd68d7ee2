package server_test

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"zocalo/internal/accept"
	"zocalo/server"
	"zocalo/socket"
)

func TestPerPeer(t *testing.T) {
	any := open(t, tcp)
	if err := any.Bind(socket.InetName(netip.MustParseAddrPort("0.0.0.0:0"))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		most, places int
		socket       *socket.Socket
		want         int // 0: no bound
	}{
		{0, 1000, any, 100}, {0, 20, any, 8}, {0, 8, any, 7}, {0, 1, any, 1}, {0, -1, any, 0}, {-1, 1000, any, 0},
		{3, 1000, any, 3}, {0, 1000, bound(t, tcp), 0}, {3, 1000, bound(t, tcp), 3}, {0, 1000, bound(t, unix), 0},
	} {
		b := accept.NewPerPeer(test.most, test.places, test.socket)
		got := 0
		for range 101 {
			if _, ok := b.EnterName(netip.MustParseAddr("10.0.0.1"), nil); ok {
				got++
			}
		}
		if got == 101 {
			got = 0
		}
		if got != test.want {
			t.Errorf("%d of %d on %v: %d, want %d", test.most, test.places, test.socket.Name(), got, test.want)
		}
	}
}

func TestPerPeerTellsPeersApart(t *testing.T) {
	b := accept.NewPerPeer(1, 10, bound(t, tcp))
	enter := func(addr string, uid int) (*accept.Peer, bool) {
		if addr == "" {
			return b.EnterName(netip.Addr{}, &socket.Credentials{UID: uid})
		}
		return b.EnterName(netip.MustParseAddr(addr), nil)
	}
	var first *accept.Peer
	for i, p := range []struct {
		addr string
		uid  int
		ok   bool
	}{
		{"10.0.0.1", 0, true}, {"::ffff:10.0.0.1", 0, false}, {"10.0.0.2", 0, true},
		{"2001:db8::1", 0, true}, {"2001:db8::ffff:2", 0, false}, {"2001:db8:0:1::1", 0, true},
		{"", 0, true}, {"", 0, false}, {"", 1, true},
	} {
		peer, ok := enter(p.addr, p.uid)
		if ok != p.ok {
			t.Errorf("%+v: %v", p, ok)
		}
		if i == 0 {
			first = peer
		}
	}
	b.Leave(first)
	if _, ok := enter("10.0.0.1", 0); !ok {
		t.Error("a place that was left is not free")
	}
}

// A peer that has as many connections as it may is reset, and one place is free
// again when one of them is over.
func TestMaxConnsPerPeer(t *testing.T) {
	for _, kind := range []socket.Kind{tcp, unix} {
		l := listen(t, kind)
		r := serve(t, &server.Server{Handler: echoed, Drain: time.Minute, MaxConnsPerPeer: 2}, l)
		a, b, c := dial(t, kind, l.Name()), dial(t, kind, l.Name()), open(t, kind)
		exchange(t, a, "a")
		exchange(t, b, "b")
		err := c.Connect(t.Context(), l.Name())
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil || os.IsTimeout(err) {
			t.Errorf("%v: the third connection of two is served", kind)
		}
		c.Close()
		a.Close()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			d := open(t, kind)
			err := d.Connect(t.Context(), l.Name())
			if err == nil {
				if _, err = d.Write([]byte("d")); err == nil {
					_, err = d.Read(make([]byte, 1))
				}
			}
			d.Close()
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%v: no place is free after one was left: %v", kind, err)
			}
		}
		b.Close()
		r.wait(t)
	}
}
