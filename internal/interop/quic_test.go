package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"zocalo"
)

// HTTP/3 by quic-go over a PacketConn of each side, which both see as they see package
// net's.
func TestHTTP3(t *testing.T) {
	for _, address := range []string{"udp4:127.0.0.1:0", "udp6:[::1]:0", "udp4:any:0"} {
		t.Run(address, func(t *testing.T) {
			t.Chdir(t.TempDir())
			content := bytes.Repeat([]byte("Hello world!\n"), 20_000)
			bound, err := zocalo.ListenPacket(t.Context(), address)
			lacking(t, err)
			defer bound.Close()
			config, trusting := certificates(t)
			server := &http3.Server{Handler: serveFile(t, content), TLSConfig: http3.ConfigureTLSConfig(config)}
			defer server.Close()
			go server.Serve(bound)

			near, err := zocalo.ListenPacket(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			from := &quic.Transport{Conn: near}
			defer from.Close()
			to := bound.LocalAddr().(*net.UDPAddr)
			if to.IP.IsUnspecified() {
				to.IP = net.IPv4(127, 0, 0, 1)
			}
			transport := &http3.Transport{TLSClientConfig: trusting, Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
				return from.DialEarly(ctx, to, tlsConfig, config)
			}}
			defer transport.Close()
			fetch(t, &http.Client{Transport: rewriting{transport}}, content, 3)
		})
	}
}
