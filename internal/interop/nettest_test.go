package interop

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo"
	_ "zocalo/layer/connect"
	_ "zocalo/layer/proxyproto"
	_ "zocalo/layer/socks"
	_ "zocalo/layer/websocket"
	"zocalo/socket"
)

// What is opened by an address is a net.Conn as golang.org/x/net/nettest has it: every kind
// of stream, and layers in stacks.
func TestConns(t *testing.T) {
	for _, k := range []struct{ listen, client string }{
		{"tcp:127.0.0.1:0", ""},
		{"tcp6:[::1]:0", ""},
		{"mptcp:127.0.0.1:0", ""},
		{"unix:@interop", ""},
		{"iso-stream:127.0.0.1:0", ""},
		{"spp-stream:0000aa000001:0,link=memory:nettest", ",link=memory:nettest"},
		{"tls:127.0.0.1:0", ""},
		{"tls+unix:@interop", ""},
		{"tls+iso:127.0.0.1:0", ""},
		{"tls+tls+tcp:127.0.0.1:0", ""},
		{"pp+tcp:127.0.0.1:0", ""},
		{"pp+tls+tcp:127.0.0.1:0", ""},
		{"tls+pp+tcp:127.0.0.1:0", ""},
		{"connect+tcp:127.0.0.1:0", ",to=host:1"},
		{"socks5+tcp:127.0.0.1:0", ",to=host:1"},
		{"socks5+tls+tcp:127.0.0.1:0", ",to=host:1"},
		{"ws:127.0.0.1:0/path", ""},
		{"wss:127.0.0.1:0/path", ""},
	} {
		t.Run(k.listen, func(t *testing.T) {
			first, err := zocalo.Listen(t.Context(), k.listen)
			lacking(t, err)
			first.Close()
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				l, err := zocalo.Listen(t.Context(), k.listen)
				if err != nil {
					return nil, nil, nil, err
				}
				defer l.Close()
				type accepted struct {
					s   *socket.Socket
					err error
				}
				came := make(chan accepted, 1)
				go func() {
					s, err := l.Accept(t.Context())
					came <- accepted{s, err}
				}()
				near, err := zocalo.Dial(t.Context(), l.Address()+k.client)
				if err != nil {
					return nil, nil, nil, err
				}
				far := <-came
				if far.err != nil {
					near.Close()
					return nil, nil, nil, far.err
				}
				return near, far.s, func() { near.Close(); far.s.Close() }, nil
			})
		})
	}
}
