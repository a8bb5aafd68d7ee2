package relay_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
)

// A TO that is what the relay itself listens on is refused, by whatever name.
func TestItself(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		itself   bool
	}{
		{"tcp-listen:127.0.0.1:PORT", "tcp:127.0.0.1:PORT", true},
		{"tcp-listen:127.0.0.1:PORT", "tcp:localhost:PORT", true},
		{"tcp-listen:any:PORT", "tcp:127.0.0.7:PORT", true},
		{"tcp-listen:127.0.0.1:PORT", "tcp:127.0.0.7:PORT", false},
		{"udp-listen:127.0.0.1:PORT", "udp:127.0.0.1:PORT", true},
		{"udp-listen:127.0.0.1:PORT", "tcp:127.0.0.1:PORT,frame=lines", false},
		{"unix-listen:" + dir + "/s", "unix:" + dir + "/link/s", true},
		{"unix-listen:" + dir + "/s", "unix:" + dir + "/t", false},
	} {
		for _, path := range []relay.Path{relay.Auto, relay.General} {
			port := freePort(t)
			parse := func(s string) address.Address {
				a, err := address.Parse(strings.ReplaceAll(s, "PORT", port))
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			ctx, cancel := context.WithCancel(t.Context())
			r := &relay.Relay{Config: relay.Config{From: parse(c.from), To: []address.Address{parse(c.to)}, Path: path}}
			r.Listening = func(*zocalo.Listener, address.Address) error { cancel(); return nil }
			err := r.Run(ctx)
			cancel()
			var refused *relay.PairError
			if errors.As(err, &refused) != c.itself {
				t.Errorf("%s %s: %v, itself: %v", c.from, c.to, err, c.itself)
			}
		}
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
