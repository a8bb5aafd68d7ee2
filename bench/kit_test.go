package bench

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	_ "zocalo/iso"
	"zocalo/server"
	"zocalo/socket"
	_ "zocalo/xns"
)

var names atomic.Int64

// kinds are addresses to serve on, of every kind of socket.
func kinds(t testing.TB) map[string]string {
	dir := t.TempDir()
	unique := strconv.FormatInt(names.Add(1), 10)
	return map[string]string{
		"tcp": "tcp:127.0.0.1:0", "tcp6": "tcp6:[::1]:0", "mptcp": "mptcp:127.0.0.1:0", "udp": "udp:127.0.0.1:0,rcvbuf=4MiB",
		"unix": "unix:" + dir + "/s", "unix-dgram": "unix-dgram:" + dir + "/d", "unix-seqpacket": "unix-seqpacket:" + dir + "/q",
		"vsock": "vsock:1:any", "vsock-seqpacket": "vsock-seqpacket:1:any",
		"iso": "iso:127.0.0.1:0", "iso-stream": "iso-stream:127.0.0.1:0", "iso-dgram": "iso-dgram:127.0.0.1:0",
		"spp": "spp:##0,link=memory:bench" + unique, "spp-stream": "spp-stream:##0,link=memory:bench" + unique, "idp": "idp:##0,link=memory:bench" + unique,
		"memory": "memory:bench" + unique, "memory-dgram": "memory-dgram:bench" + unique, "memory-seqpacket": "memory-seqpacket:bench" + unique,
	}
}

// serve runs a Server on an address until the test ends, and returns how to reach it; it
// skips the test where the machine lacks the kind.
func serve(t testing.TB, s *Server, text string) Dial {
	t.Helper()
	return servePeers(t, s, text, Peers{})
}

// servePeers is serve for some peers, of a socket without connections.
func servePeers(t testing.TB, s *Server, text string, who Peers) Dial {
	t.Helper()
	l, err := zocalo.Listen(t.Context(), text)
	if err != nil {
		t.Skipf("%s: %v", text, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	t.Cleanup(func() { cancel(); group.Wait() })
	if l.Sockets()[0].Properties().Connected {
		srv := &server.Server{Handler: s.Handle, MaxConns: -1, Drain: time.Nanosecond}
		group.Go(func() { srv.Serve(ctx, l) })
	} else {
		group.Go(func() {
			defer l.Close()
			if err := s.Datagrams(ctx, l.Sockets()[0], who); err != nil {
				t.Errorf("serving datagrams: %v", err)
			}
		})
	}
	a, err := address.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	a.Endpoint = l.Name().String()
	return func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, a) }
}

// measure runs against a server, with short times unless given.
func measure(t testing.TB, dial Dial, o Options) *Result {
	t.Helper()
	if o.Duration == 0 && o.Count == 0 {
		o.Duration = 50 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	r, err := Run(t.Context(), dial, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dialText reaches an address.
func dialText(t testing.TB, text string) Dial {
	a, err := address.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, a) }
}
