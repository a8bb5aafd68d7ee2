package xns

import (
	"encoding/binary"
	"errors"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/socket"
)

// However many connections are reset at once, each peer learns of it: Errors to
// strangers have a bound, and these do not.
func TestManyResets(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "spp:")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var clients, servers []*socket.Socket
	for range errorRate + 50 {
		c, err := zocalo.Dial(t.Context(), "spp:"+l.Name().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		clients, servers = append(clients, c), append(servers, s)
	}
	for _, s := range servers {
		s.Abort()
	}
	for i, c := range clients {
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("client %d reads %v", i, err)
		}
	}
}

// One reset may be lost, and a peer that has nothing to send draws no other: so it is
// sent again, by the way that the packets of the connection took.
func TestResetAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := facing(t)
		h.setNetwork(5)
		c := newConn(h, config{gateway: idA}, true)
		c.local, c.peer, c.peerID, c.state = Addr{5, idB, 4000}, Addr{6, HostID{2, 8}, 4001}, 7, established
		peer := newConn(h, config{}, true)
		peer.local, peer.peer, peer.id, peer.peerID, peer.state = c.peer, c.local, 7, c.id, established
		begun := time.Now()
		c.abort()
		for i := range resetTimes {
			hdr, data := w.next()
			if hdr.Type != TypeError || hdr.To != c.peer || i == 0 && time.Since(begun) != 0 {
				t.Fatalf("reset %d after %v: %+v", i, time.Since(begun), hdr)
			}
			peer.failed(&fault{number: binary.BigEndian.Uint16(data), header: Header{To: getAddr(data[errPacketHeader+6:])}, data: data[errPacketHeader+HeaderSize:]})
			if peer.err != syscall.ECONNRESET {
				t.Errorf("the peer of reset %d has ended by %v", i, peer.err)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("reset %d after %v", i, took)
			}
		}
		time.Sleep(time.Minute)
		if !w.silent() {
			t.Error("there is another")
		}
	})
}
