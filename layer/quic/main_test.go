package quic_test

import (
	"testing"
	"time"

	"zocalo"
	"zocalo/internal/testenv"
	"zocalo/layer/internal/layertest"
	"zocalo/layer/quic"
	"zocalo/socket"
)

func TestMain(m *testing.M) { testenv.Main(m, quic.CloseIdle) }

const patience = layertest.Patience

var server, echo, dial, converse = layertest.Serve, layertest.Echo, layertest.Dial, layertest.Converse

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair returns both ends of a stream.
func pair(t testing.TB, options string) (client, server *socket.Socket) {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), "quic:127.0.0.1:0")
	try(t, err)
	t.Cleanup(func() { l.Close() })
	accepted := make(chan *socket.Socket, 1)
	go func() {
		defer close(accepted)
		if s, err := l.Accept(t.Context()); err == nil {
			accepted <- s
		}
	}()
	client = dial(t, l.Address()+options)
	server = <-accepted
	if server == nil {
		t.Fatal("nothing was accepted")
	}
	t.Cleanup(func() { server.Close() })
	try(t, server.SetDeadline(time.Now().Add(patience)))
	return client, server
}
