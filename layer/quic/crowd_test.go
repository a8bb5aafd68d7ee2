package quic_test

import (
	"net"
	"runtime"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/layer/quic"
)

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
	silent := make([]*quicgo.Conn, most)
	for i := range silent {
		var err error
		silent[i], err = bareClient(t, &at, nil, quic.Protocol)
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
	next(t, silent[0].Context().Done())
}
