package server_test

import (
	"context"
	"testing"

	"zocalo/server"
	"zocalo/socket"
)

// Together, all peers of all sockets are heard by one handler as their messages
// come, and what it writes goes to whom it has read last.
func TestSessionsTogether(t *testing.T) {
	first, second := bound(t, udp), bound(t, udp)
	serveSessions(t, &server.Sessions{Together: true, Handler: func(ctx context.Context, c *socket.Socket) {
		hearer, _ := socket.As[socket.Hearer](c)
		b := make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if hearer.Sender() != c.Peer() {
				t.Errorf("the sender is %v, the peer %v", hearer.Sender(), c.Peer())
			}
			c.Write(append(b[:n:n], " of "+c.Peer().String()+" at "+c.Name().String()...))
		}
	}}, first, second)
	a, b := bound(t, udp), bound(t, udp)
	for _, c := range []*socket.Socket{a, b, a} {
		for _, to := range []*socket.Socket{first, second} {
			sendTo(t, c, to.Name(), []byte("hola"))
			expect(t, c, "hola of "+c.Name().String()+" at "+to.Name().String())
		}
	}
}
