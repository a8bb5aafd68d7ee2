package process

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"zocalo/server"
	"zocalo/socket"
)

// Who is turned away holds nobody up at the gate, while it waits for its reset.
func TestGateOpensForWhoIsRefused(t *testing.T) {
	l, err := socket.New(socket.Inet, socket.Stream, 0)
	if err == nil {
		err = l.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0")))
	}
	if err == nil {
		err = l.Listen(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := socket.New(socket.Inet, socket.Stream, 0)
	if err == nil {
		err = c.Connect(t.Context(), l.Name())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	var gate Gate
	nobody, err := server.ParseList([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan bool, 1)
	refused := refusing{gate.Before(l), func(c *socket.Socket) {
		gate.mu.Lock()
		defer gate.mu.Unlock()
		open <- gate.waiting != c
	}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := server.Server{Handler: func(context.Context, *socket.Socket) {}, Deny: nobody}
	go func() { done <- s.Serve(ctx, refused) }()
	select {
	case is := <-open:
		if !is {
			t.Error("the gate is closed for a connection that is refused")
		}
	case <-time.After(30 * time.Second):
		t.Error("the listener is not told of a connection that is refused")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// refusing is a gated listener that is watched as it is told of whoever is refused.
type refusing struct {
	server.Listener
	told func(*socket.Socket)
}

func (r refusing) Refused(c *socket.Socket) {
	r.Listener.(interface{ Refused(*socket.Socket) }).Refused(c)
	r.told(c)
}

// The bound of a single peer holds at the gate as well.
func TestGateShowsSockets(t *testing.T) {
	l, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := server.SocketsOf(new(Gate).Before(l)); len(got) != 1 || got[0] != l {
		t.Errorf("the sockets at the gate are %v", got)
	}
}
