package relay_test

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/relay"
	"zocalo/socket"
)

// What a bridge connects and accepts has the defaults of connections made by
// address, whoever makes the calls.
func TestDefaultOptions(t *testing.T) {
	for options, want := range map[string][3]int{
		"": {1, 1, 15}, ",nodelay=0,keepalive=0,keepidle=7s": {0, 0, 7},
	} {
		up := listen(t, "tcp:127.0.0.1:0")
		r := relays(t, func(b *relay.Relay) { b.Drain = time.Millisecond }, "tcp-listen:127.0.0.1:0"+options, addressOf(t, "tcp:", up)+options)
		c := dial(t, r.address())
		s := accept(t, up)
		writes(t, c, "hola")
		wants(t, s, "hola")
		for which, peer := range map[string]socket.Name{"accepted": c.Name(), "connected": up.Name()} {
			fd := descriptorTo(t, peer)
			for i, o := range [][2]int{{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}} {
				if got, err := unix.GetsockoptInt(fd, o[0], o[1]); err != nil || got != want[i] {
					t.Errorf("%q, %s: option %v is %d, %v; want %d", options, which, o, got, err, want[i])
				}
			}
		}
	}
}

// descriptorTo finds the descriptor of this process whose peer has the name.
func descriptorTo(t *testing.T, peer socket.Name) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	try(t, err)
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		try(t, err)
		if a, err := unix.Getpeername(fd); err == nil {
			if a, ok := a.(*unix.SockaddrInet4); ok && a.Port == int(peer.AddrPort().Port()) {
				return fd
			}
		}
	}
	t.Fatalf("no descriptor has the peer %v", peer)
	return -1
}

// What the limit of descriptors makes of a bound is told once, whatever changes, and a
// log that nobody reads keeps neither the relay nor a change.
func TestBoundsAreToldOnce(t *testing.T) {
	for _, from := range []string{tcpListen, "udp-listen:127.0.0.1:0"} {
		for name, engine := range map[string]relay.Path{"fast": relay.Auto, "general": relay.General} {
			t.Run(from+" "+name, func(t *testing.T) {
				scheme, _, _ := strings.Cut(from, "-")
				var blocked blocking
				release := make(chan struct{})
				r := relays(t, func(b *relay.Relay) {
					b.Path, b.MaxConns, b.MaxSessions = engine, -1, -1
					blocked = blocking{b.Log.Handler(), "ulimit -n", release, new(atomic.Int32)}
					b.Log = slog.New(blocked)
				}, from, scheme+":127.0.0.1:1")
				r.address()
				for i := range 3 {
					l := r.Now().Limits
					l.Idle = time.Duration(i+1) * time.Hour
					try(t, r.SetLimits(l))
				}
				if e, _ := r.Engine(); e == "" {
					t.Error("there is no engine")
				}
				await(t, "the bound is told", func() bool { return blocked.told.Load() > 0 })
				close(release)
				try(t, r.SetLimits(r.Now().Limits))
				r.stop()
				try(t, r.over())
				if n := blocked.told.Load(); n != 1 {
					t.Errorf("it is told %d times", n)
				}
			})
		}
	}
}

// A blocking is a log in which what has a text waits.
type blocking struct {
	slog.Handler
	text    string
	release chan struct{}
	told    *atomic.Int32
}

func (b blocking) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, b.text) {
		b.told.Add(1)
		<-b.release
	}
	return b.Handler.Handle(ctx, r)
}
