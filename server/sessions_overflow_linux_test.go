package server_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

// What the system drops while the receive buffer is full is counted, once a
// message comes that tells.
func TestSessionsCountWhatTheSystemDrops(t *testing.T) {
	const n = 2000
	s := bound(t, udp)
	if err := option.ReceiveBuffer.Set(s, 4096); err != nil {
		t.Fatal(err)
	}
	c := client(t, udp, s.Name())
	for range n { // more than there is room for
		io.WriteString(c, "hola")
	}
	var heard atomic.Int64
	sessions := &server.Sessions{Queue: 1 << 20, Handler: func(_ context.Context, c *socket.Socket) {
		for b := make([]byte, 10); ; heard.Add(1) {
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	}}
	stop := serveSessions(t, sessions, s)
	sent := int64(n)
	for end := time.Now().Add(time.Minute); heard.Load()+sessions.Dropped() != sent; {
		if time.Now().After(end) {
			t.Fatalf("%d heard and %d dropped, of %d", heard.Load(), sessions.Dropped(), sent)
		}
		io.WriteString(c, "hola") // which tells of those before, if there is room for it
		sent++
		for wait := time.Now().Add(time.Second); heard.Load()+sessions.Dropped() != sent && time.Now().Before(wait); {
			time.Sleep(time.Millisecond)
		}
	}
	if sessions.Dropped() == 0 {
		t.Error("none was dropped")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
