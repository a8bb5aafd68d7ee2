package quic_test

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/layer/quic"
	"zocalo/socket"
	"zocalo/socket/wait"
)

// A listener for datagrams that has as many connections as it may have gives the place of the
// host's that has most to a newcomer: the one that has been silent for longest.
func TestSilentPeersGiveWay(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	l, err := zocalo.Listen(t.Context(), "quic-dgram:0.0.0.0:0")
	try(t, err)
	t.Cleanup(func() { l.Close() })
	s := l.Sockets()[0]
	try(t, s.SetDeadline(time.Now().Add(patience)))
	const most = 4
	quic.SetMostPeers(s, most)
	at := strings.Replace(l.Address(), "0.0.0.0", "127.0.0.1", 1)
	says := func(c *socket.Socket, what string) {
		t.Helper()
		_, err := c.Write([]byte(what))
		try(t, err)
		b := make([]byte, 10)
		if n, err := s.Read(b); string(b[:n]) != what || err != nil {
			t.Fatalf("%q came as %q, %v", what, b[:n], err)
		}
	}
	other := dial(t, at+",bind=127.0.0.2:0")
	says(other, "other") // and then nothing, for longest of all
	crowd := make([]*socket.Socket, most-1)
	for i := range crowd {
		crowd[i] = dial(t, at)
		says(crowd[i], "one")
	}
	says(crowd[0], "again")
	newcomer := dial(t, at+",bind=127.0.0.3:0")
	says(newcomer, "newcomer")
	_, err = crowd[1].Read(make([]byte, 10))
	if !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), "gave way") {
		t.Errorf("who has been silent for longest: %v", err)
	}
	for _, c := range []*socket.Socket{other, crowd[0], crowd[2], newcomer} {
		says(c, "still")
	}
}

// Clients of one host that open no stream have their places only until others come.
func TestSilentClientsGiveWay(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	l := server(t, "quic:0.0.0.0:0,handshake-timeout=1h", echo)
	const most = 8
	quic.SetMaxHandshakes(l.Sockets()[0], most)
	at := *l.Addr().(*net.UDPAddr)
	at.IP = net.IPv4(127, 0, 0, 1)
	gone := make(chan error, 100)
	l.OnHandshake(func(c *socket.Socket, err error) {
		if err != nil {
			gone <- fmt.Errorf("%v: %w", c.Peer(), err)
		}
	})
	for range most {
		_, err := bareClient(t, &at, nil, quic.Protocol)
		try(t, err)
	}
	if _, err := bareClient(t, &at, nil, quic.Protocol); err == nil {
		t.Error("a host with all places is given one more")
	}
	for _, from := range []string{"127.0.0.2", "127.0.0.3"} {
		s := dial(t, strings.Replace(l.Address(), "0.0.0.0", "127.0.0.1", 1)+",bind="+from+":0")
		if got := converse(t, s, "hola"); got != "hola" {
			t.Errorf("%q came back to %s", got, from)
		}
	}
	if err := next(t, gone); !errors.Is(err, wait.ErrGaveWay) || !strings.HasPrefix(err.Error(), "127.0.0.1:") {
		t.Errorf("there ended %v", err)
	}
}
