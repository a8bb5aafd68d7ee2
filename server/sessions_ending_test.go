package server_test

import (
	"context"
	"io"
	"testing"
	"time"

	"zocalo/server"
	"zocalo/socket"
)

// Handlers that take their time to return are bounded also where their sessions
// gave way to others of the same peer, which leaves places in the table.
func TestSessionsOfOnePeerAreBounded(t *testing.T) {
	s := bound(t, udp)
	begun, hold := make(chan struct{}, 100), make(chan struct{})
	sessions := &server.Sessions{Max: 4, MaxPerPeer: 1, Handler: func(context.Context, *socket.Socket) {
		begun <- struct{}{}
		<-hold
	}}
	stop := serveSessions(t, sessions, s)
	const peers = 20
	for range peers {
		io.WriteString(client(t, udp, s.Name()), "x")
	}
	for end := time.Now().Add(20 * time.Second); int(sessions.Dropped())+len(begun) < peers; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d began and %d were dropped, of %d", len(begun), sessions.Dropped(), peers)
		}
	}
	if n := len(begun); n > 8 {
		t.Errorf("%d handlers run at once, where 4 sessions and as many that end may be", n)
	}
	close(hold)
	stop()
}
