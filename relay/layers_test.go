package relay_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "zocalo/layer/proxyproto"
	"zocalo/layer/quic"
	_ "zocalo/layer/socks"
	"zocalo/layer/tls"
	_ "zocalo/layer/websocket"
	"zocalo/socket"
)

// Kinds with layers over others, for the contract: TLS has its own way to end, to
// half-close and to be reset, which the engines must not know from those of kinds.
var layeredKinds = []Kind{
	{Name: "tls+tcp", Scheme: "tls+tcp", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true, Total: 500_000, Weight: 3},
	{Name: "tls+unix", Scheme: "tls+unix", HalfClose: true, Reset: true, Total: 500_000, Weight: 3},
	{Name: "quic", Scheme: "quic", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true, Total: 500_000, Weight: 3},
	{Name: "ws+tcp", Scheme: "ws+tcp", Endpoint: "127.0.0.1:0", Messages: true, HalfClose: true, Reset: true, Most: 60_000, Total: 500_000, Weight: 3},
	{Name: "ws-stream+tcp", Scheme: "ws-stream+tcp", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true, Total: 500_000, Weight: 3},

	// These step aside, and leave two sockets of the kernel's to event loops.
	{Name: "pp+tcp", Scheme: "pp+tcp", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true},
	{Name: "socks5+tcp", Scheme: "socks5+tcp", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true},
}

// chained is a kind that comes and goes through a chain of two proxies of SOCKS, relays
// themselves.
func chained() endKind {
	through := func(t *testing.T, to string) string {
		one := relays(t, nil, "socks-listen:127.0.0.1:0", "requested:")
		two := relays(t, nil, "socks-listen:127.0.0.1:0", "requested:")
		at := func(r *running) string { return endpointOf(t, r.address()) }
		return "socks5+socks5+tcp:" + at(one) + ",to=" + at(two) + ",to=" + to
	}
	k := Kind{Name: "socks chain", Scheme: "socks5+socks5+tcp", HalfClose: true, Reset: true}
	return endKind{Kind: k, kind: kind{
		name: k.Name, bytes: true,
		from: func(t *testing.T) (string, peering) {
			return "tcp-listen:127.0.0.1:0", func(at func() string) *socket.Socket { return dial(t, through(t, endpointOf(t, at()))) }
		},
		to: func(t *testing.T) (string, peering) {
			l := listen(t, "tcp:127.0.0.1:0")
			return through(t, l.Name().String()), func(func() string) *socket.Socket { return accept(t, l) }
		},
	}}
}

// endpointOf is where a listener of that address is, HOST:PORT.
func endpointOf(t testing.TB, text string) string { return parse(t, text).Endpoint }

// layerOptions are the options that a listener and a client with layers need: none where
// the scheme has none.
func layerOptions(scheme string) (listener, client string) {
	if strings.HasPrefix(scheme, "socks5+") {
		return ",allow-to=*", ",to=there:1"
	}
	if strings.HasPrefix(scheme, "ws") {
		return ",max-message=1MiB", ""
	}
	if !strings.HasPrefix(scheme, "tls+") && scheme != "quic" {
		return "", ""
	}
	cert, ca := testCertificate()
	return ",cert=" + cert, ",sni=test,ca=" + ca
}

// testCertificate returns a file with a certificate for "test", and one with that of
// who signed it.
var testCertificate = sync.OnceValues(func() (cert, ca string) {
	until := time.Now().Add(24 * time.Hour)
	authority, err := tls.NewAuthority(until)
	if err != nil {
		panic(err)
	}
	issued, err := authority.Issue(until, "test")
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "relay-test-tls")
	if err != nil {
		panic(err)
	}
	cert, ca = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "ca.pem")
	for path, text := range map[string][]byte{cert: issued, ca: authority.Certificate()} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			panic(err)
		}
	}
	atEnd = append(atEnd, func() { os.RemoveAll(dir) })
	return cert, ca
})

// atEnd runs when all tests are over.
var atEnd = []func(){quic.CloseIdle}
