package zocalo_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/option"
)

// A listener that is taken over has what waited in the queue of the first, and its file
// goes with the last.
func TestAdopt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, text := range []string{"tcp:127.0.0.1:0", "tcp:localhost:0", "unix:" + path, "unix-seqpacket:" + path} {
		t.Run(text, func(t *testing.T) {
			a, err := address.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			first, err := zocalo.ListenAddress(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			c, err := zocalo.Dial(t.Context(), first.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			sockets, err := first.Duplicates()
			if err != nil {
				t.Fatal(err)
			}
			second, err := new(zocalo.ListenConfig).Adopt(a, sockets...)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range first.Sockets() {
				if s.Domain() == socket.Unix {
					option.UnlinkClose.Set(s, false)
				}
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			accepted, err := second.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			accepted.Close()
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file is left: %v", err)
			}
		})
	}
	udp, err := address.Parse("udp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sockets, err := l.Duplicates()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(zocalo.ListenConfig).Adopt(udp, sockets...); err == nil {
		t.Error("a TCP socket was taken for one of UDP")
	}
}
