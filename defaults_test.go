package zocalo_test

import (
	"testing"
	"time"

	"zocalo"
	_ "zocalo/iso"
	"zocalo/socket"
	"zocalo/socket/option"
)

// TestDefaults shows what connections made by address have that nobody asked
// for, on either side, and how an address undoes it.
func TestDefaults(t *testing.T) {
	const keeps = 15 * time.Second
	for _, c := range []struct {
		scheme, endpoint, options string
		noDelay, keepAlive        bool
		idle, interval            time.Duration
	}{
		{"tcp", "127.0.0.1:0", "", true, true, keeps, keeps},
		{"tcp6", "[::1]:0", "", true, true, keeps, keeps},
		{"mptcp", "127.0.0.1:0", "", true, true, keeps, keeps},
		{"iso", "127.0.0.1:0", "", true, true, keeps, keeps},
		{"tcp", "127.0.0.1:0", ",nodelay=0", false, true, keeps, keeps},
		{"tcp", "127.0.0.1:0", ",keepalive=0", true, false, keeps, keeps},
		{"tcp", "127.0.0.1:0", ",keepidle=1m", true, true, time.Minute, keeps},
		{"tcp", "127.0.0.1:0", ",nodelay,keepalive,keepintvl=1s", true, true, keeps, time.Second},
	} {
		t.Run(c.scheme+c.options, func(t *testing.T) {
			if c.scheme == "tcp6" && !hasIPv6() {
				t.Skip("this machine has no ::1")
			}
			if s, err := socket.New(socket.Inet, socket.Stream, socket.MPTCP); err == nil {
				s.Close()
			} else if c.scheme == "mptcp" {
				t.Skip("this system has no MPTCP: ", err)
			}
			l := listen(t, c.scheme+":"+c.endpoint+c.options)
			client, err := zocalo.Dial(t.Context(), c.scheme+":"+l.Name().String()+c.options)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			for side, s := range map[string]*socket.Socket{"client": client, "server": server} {
				wants(t, side, s, option.NoDelay, c.noDelay)
				wants(t, side, s, option.KeepAlive, c.keepAlive)
				wants(t, side, s, option.KeepAliveIdle, c.idle)
				wants(t, side, s, option.KeepAliveInterval, c.interval)
			}
		})
	}
	s, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wants(t, "socket.New", s, option.NoDelay, false)
	wants(t, "socket.New", s, option.KeepAlive, false)
}

func wants[T comparable](t *testing.T, whose string, s *socket.Socket, o *option.Option[T], want T) {
	t.Helper()
	if got, err := o.Get(s); err != nil || got != want {
		t.Errorf("%s: %s is %v, %v; want %v", whose, o.Name, got, err, want)
	}
}
