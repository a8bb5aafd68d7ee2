package iso

import (
	"context"
	"net/netip"
	"testing"

	"zocalo/socket"
)

// A socket on all addresses answers by the one that was asked: who is connected
// hears no other.
func TestDatagramAnswersAsAsked(t *testing.T) {
	d := opened(t, socket.Datagram)
	if err := d.Bind(mustName(t, netip.MustParseAddrPort("0.0.0.0:0"), "server")); err != nil {
		t.Fatal(err)
	}
	patient(d)
	c := bound(t, "client")
	asked := mustName(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), AddrPort(d.Name()).Port()), "server")
	if err := c.Connect(context.Background(), asked); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hola")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	m := socket.Message{Buffers: [][]byte{b}}
	if err := d.Receive(&m); err != nil {
		t.Fatal(err)
	}
	m.Ancillary.Answer()
	m.Buffers[0] = b[:m.N]
	if _, err := d.Send(&m); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(b); err != nil || string(b[:n]) != "hola" {
		t.Errorf("the answer is %q, %v", b[:n], err)
	}
}
