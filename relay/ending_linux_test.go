package relay_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A listener that fails for good ends the relay as its context does: what is open has
// the time to drain, and no more.
func TestListenerFails(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		fails    func(*testing.T, *socket.Socket)
		want     error
	}{
		"stream":          {"tcp-listen:", "tcp:127.0.0.1:0", shutDown, syscall.EINVAL},
		"stream, layered": {"pp+tcp-listen:", "tcp:127.0.0.1:0", shutDown, syscall.EINVAL},
		"session":         {"udp-listen:", "unix-seqpacket:", func(t *testing.T, s *socket.Socket) { try(t, s.Close()) }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			if c.to == "unix-seqpacket:" {
				c.to += inTemp(t, "s")
			}
			to := listen(t, c.to)
			var from *socket.Socket
			r := relays(t, func(r *relay.Relay) {
				if name == "session" {
					r.Path = relay.General // a loop of datagrams waits for events, and sees nothing of it
				}
				r.Drain = 1
				l := listen(t, c.from+"127.0.0.1:0")
				r.Listener, from = l, l.Sockets()[0]
			}, c.from+"127.0.0.1:0", addressOf(t, c.to, to))
			near := dial(t, parse(t, c.from[:len(c.from)-len("-listen:")]+":"+from.Name().String()).String())
			writes(t, near, "hola")
			far := accept(t, to)
			wants(t, far, "hola")
			c.fails(t, from)
			if err := r.over(); !errors.Is(err, c.want) {
				t.Errorf("the relay ended: %v, want %v", err, c.want)
			}
			if p := r.ended(); p.Result.How != outcome.Cancelled || !errors.Is(p.Err, relay.ErrStopped) {
				t.Errorf("the pair ended as %+v", p)
			}
		})
	}
}

// shutDown has a listening socket accept no more.
func shutDown(t *testing.T, s *socket.Socket) {
	t.Helper()
	d, _ := socket.Beneath[socket.Descriptor](s)
	raw, err := d.SyscallConn()
	try(t, err)
	try(t, raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }))
	try(t, err)
}

// Abort alone ends Run, on every engine and with one pair.
func TestAbortAlone(t *testing.T) {
	for name, c := range map[string]struct{ from, to string }{
		"streams":   {tcpListen, "tcp:127.0.0.1:0"},
		"layered":   {"pp+tcp-listen:127.0.0.1:0", "tcp:127.0.0.1:0"},
		"sessions":  {"udp-listen:127.0.0.1:0", "udp:127.0.0.1:0"},
		"one pair":  {tcpListen + ",once", "tcp:127.0.0.1:0"},
		"both wait": {tcpListen, "tcp-listen:127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			to := c.to
			if name != "both wait" {
				to = addressOf(t, c.to, listen(t, c.to))
			}
			r := relays(t, nil, c.from, to)
			near := dial(t, r.address())
			writes(t, near, "hola")
			await(t, "a pair is open", func() bool { return len(r.Open()) == 1 })
			r.Abort()
			if err := r.over(); err != nil && !(name == "one pair" && errors.Is(err, relay.ErrStopped)) {
				t.Errorf("the relay ended: %v", err)
			}
			r.ended()
		})
	}
}
