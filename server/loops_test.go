package server_test

import (
	"context"
	"testing"
	"time"

	"zocalo/echo"
	"zocalo/server"
	"zocalo/socket"
)

func TestIsOwn(t *testing.T) {
	s := bound(t, udp)
	if !s.Name().IsSelf(s.Name()) || s.Name().IsSelf(bound(t, udp).Name()) {
		t.Error("a socket does not know itself from another")
	}
}

// A session whose handler answers everything ends what goes round too.
func TestSessionsEndWhatGoesRound(t *testing.T) {
	var e echo.Echoer
	far := bound(t, udp)
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Datagrams(ctx, far) }()
	s := bound(t, udp)
	sessions := &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		b := make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			c.Write(b[:n])
		}
	}}
	serveSessions(t, sessions, s)
	sendTo(t, s, far.Name(), []byte("forged"))
	for stop := time.Now().Add(time.Minute); sessions.Dropped()+e.Counts().Unanswered == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(stop) {
			t.Fatal("they talk for ever")
		}
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
