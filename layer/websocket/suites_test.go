package websocket_test

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// over are what the layer is tried over: the address of a listener without its layer, and
// the client's options.
func over(t *testing.T) map[string][2]string {
	cert, ca := certificate()
	return map[string][2]string{
		"tcp":            {"tcp:127.0.0.1:0", ""},
		"unix":           {"unix:" + filepath.Join(t.TempDir(), "s"), ""},
		"tls":            {"tls+tcp:127.0.0.1:0,cert=" + cert, ",sni=localhost,ca=" + ca},
		"unix-seqpacket": {"unix-seqpacket:" + filepath.Join(t.TempDir(), "s"), ""},
		"iso":            {"iso:127.0.0.1:0", ""},
	}
}

func TestConn(t *testing.T) {
	for name, at := range over(t) {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				a, b, stop, err := open("ws-stream+"+at[0], at[1])
				return a, b, stop, err
			})
		})
	}
}

func TestMessages(t *testing.T) {
	for name, at := range over(t) {
		t.Run(name, func(t *testing.T) {
			sockettest.TestMessages(t, func() (a, b *socket.Socket, stop func(), err error) {
				return open("ws+"+at[0], at[1])
			}, sockettest.Largest(60_000), sockettest.TooLarge(1<<20+1), sockettest.Patience(patience))
		})
	}
	for name, options := range map[string]string{"deflate": ",deflate", "from the server": ""} {
		t.Run(name, func(t *testing.T) {
			sockettest.TestMessages(t, func() (a, b *socket.Socket, stop func(), err error) {
				a, b, stop, err = open("ws:127.0.0.1:0"+options, options)
				return b, a, stop, err
			}, sockettest.Largest(300_000), sockettest.Patience(patience))
		})
	}
}
