package relay_test

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Whatever a pair waits for, the end of the time to drain ends it, and so does a
// second request to stop.
func TestEveryWaitEnds(t *testing.T) {
	silent := func(t *testing.T) string { return addressOf(t, "tcp:127.0.0.1:0", listen(t, "tcp:127.0.0.1:0")) }
	flood := func(c *socket.Socket) {
		c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		c.Write(make([]byte, 8<<20))
	}
	for _, wait := range []struct {
		name   string
		to     func(*testing.T) string
		change func(*relay.Relay)
		send   func(*socket.Socket)
	}{
		{"its rate", silent, func(b *relay.Relay) { b.Rate = 100 }, flood},
		{"the rate of all", silent, func(b *relay.Relay) { b.TotalRate = 100 }, flood},
		{"who does not read", silent, nil, flood},
		{"who says nothing", silent, nil, nil},
		{"a partner", func(*testing.T) string { return tcpListen }, nil, nil},
		{"a partner in datagrams", func(*testing.T) string { return "udp-listen:127.0.0.1:0" }, nil, nil},
		{"the next attempt", func(t *testing.T) string { return "unix:" + inTemp(t, "nobody") }, func(b *relay.Relay) { b.Retry = -1 }, nil},
	} {
		for _, how := range []string{"drain", "second"} {
			t.Run(wait.name+" "+how, func(t *testing.T) {
				from, to := tcpListen, wait.to(t)
				if strings.HasPrefix(to, "udp") {
					from += ",frame=lines"
				}
				r := relays(t, func(b *relay.Relay) {
					if b.Drain = 10 * time.Millisecond; how == "second" {
						b.Drain = -1
					}
					if wait.change != nil {
						wait.change(b)
					}
				}, from, to)
				at := r.address()
				for range 3 {
					c := dial(t, at)
					if wait.send != nil {
						wait.send(c)
					}
				}
				await(t, "the clients are there", func() bool { return len(r.Open()) == 3 })
				r.stop()
				if how == "second" {
					r.Abort()
				}
				select {
				case <-r.done:
				case <-time.After(patience):
					t.Fatal("the relay goes on waiting")
				}
			})
		}
	}
}

// A client that has finished is waited for as any other, and one that has reset
// its connection frees its place at once.
func TestGoneWhileWaiting(t *testing.T) {
	path := inTemp(t, "later")
	r := relays(t, func(b *relay.Relay) { b.Retry, b.MaxConns = -1, 1 }, tcpListen, "unix:"+path)
	at := r.address()
	c := dial(t, at)
	await(t, "it waits", func() bool { return len(r.Open()) == 1 })
	try(t, c.Abort())
	if p := r.ended(); p.Result.How != outcome.Failed || p.Err == nil {
		t.Errorf("it ended as %+v", p)
	}
	c = dial(t, at)
	writes(t, c, "all of it")
	try(t, c.CloseWrite())
	await(t, "it waits", func() bool { return len(r.Open()) == 1 })
	s := accept(t, listen(t, "unix:"+path))
	wants(t, s, "all of it")
	wantsEOF(t, s)
	writes(t, s, "answer")
	try(t, s.Close())
	if got, err := io.ReadAll(c); err != nil || string(got) != "answer" {
		t.Errorf("the answer is %q, %v", got, err)
	}
}

// For a client that has gone by the time that TO would be reached, it is not.
func TestGoneBefore(t *testing.T) {
	client := make(chan *socket.Socket, 1)
	r := relays(t, func(b *relay.Relay) {
		b.Path = relay.General
		b.Began = func(*relay.Peer) { try(t, (<-client).Abort()) }
		b.Reached = func(_ int64, a relay.Attempt) { t.Errorf("TO was tried: %+v", a) }
	}, tcpListen, addressOf(t, "tcp:127.0.0.1:0", listen(t, "tcp:127.0.0.1:0")))
	client <- dial(t, r.address())
	if p := r.ended(); p.Result.How != outcome.Failed || !errors.Is(p.Err, syscall.ECONNRESET) {
		t.Errorf("it ended as %+v", p)
	}
}

// What a client has sent before it closed in order reaches TO, though the client has gone
// by then: of TLS, also where its layer has read it already, or a reset came after it.
func TestClosedBefore(t *testing.T) {
	for _, scheme := range []string{"unix", "tls+unix", "tls+tcp"} {
		t.Run(scheme, func(t *testing.T) {
			listener, _ := layerOptions(scheme)
			at := "127.0.0.1:0"
			if strings.HasSuffix(scheme, "unix") {
				at = inTemp(t, "near")
			}
			l := listen(t, "tcp:127.0.0.1:0")
			sent := make(chan struct{})
			r := relays(t, func(b *relay.Relay) {
				b.Path = relay.General
				b.Began = func(*relay.Peer) { <-sent }
			}, scheme+"-listen:"+at+listener, addressOf(t, "tcp:127.0.0.1:0", l))
			_, client := layerOptions(scheme)
			c := dial(t, r.address()+client)
			writes(t, c, "all of it")
			try(t, c.Close())
			close(sent)
			s := accept(t, l)
			wants(t, s, "all of it")
			wantsEOF(t, s)
		})
	}
}

// A unix client that has sent and closed is not gone: that is how it says that it
// was all.
func TestClosedWhileWaiting(t *testing.T) {
	path, later := inTemp(t, "near"), inTemp(t, "later")
	r := relays(t, func(b *relay.Relay) { b.Retry, b.Path = -1, relay.General }, "unix-listen:"+path, "unix:"+later)
	r.address()
	c := dial(t, "unix:"+path)
	await(t, "it waits", func() bool { return len(r.Open()) == 1 })
	try(t, c.Close())
	r.ended()
	c = dial(t, "unix:"+path)
	writes(t, c, "all of it")
	try(t, c.Close())
	s := accept(t, listen(t, "unix:"+later))
	wants(t, s, "all of it")
	wantsEOF(t, s)
}

// Who has gone while it waited for a partner is not paired.
func TestPartnerGone(t *testing.T) {
	for _, end := range []func(*socket.Socket) error{(*socket.Socket).Close, (*socket.Socket).Abort} {
		for side := range 2 {
			r := relays(t, nil, tcpListen, tcpListen)
			at := [2]string{r.address(), r.address()}
			first := dial(t, at[side])
			if side == 0 {
				await(t, "it waits", func() bool { return len(r.Open()) == 1 })
			}
			try(t, end(first))
			if side == 0 {
				r.ended()
			}
			x := dial(t, at[side])
			writes(t, x, "hola")
			y := dial(t, at[1-side])
			wants(t, y, "hola")
			writes(t, y, "adios")
			wants(t, x, "adios")
			x.Close()
			y.Close()
		}
	}
}

// A datagram peer that has given way while it was in line for a partner is in line
// no more: what it sent then is stale. It counts as dropped, as does what is too long.
func TestStaleWhileWaiting(t *testing.T) {
	r := relays(t, func(b *relay.Relay) { b.MaxSessions, b.MaxMessage = 1, 100 }, tcpListen+",frame=lines", "udp-listen:127.0.0.1:0")
	to := r.address() // TO listens second
	from := to
	if strings.HasPrefix(from, "tcp") {
		to = r.address()
	} else {
		from = r.address()
	}
	for i, text := range []string{"stale", "fresh"} {
		writes(t, dial(t, to), text)
		await(t, "its session begins", func() bool { return strings.Count(r.journal.String(), "a session begins") == i+1 })
	}
	c := dial(t, from)
	wants(t, c, "fresh\n")
	await(t, "what was stale is counted", func() bool { return r.Totals().Dropped == 1 })
	writes(t, dial(t, to), strings.Repeat("long", 100))
	await(t, "what was too long is counted", func() bool { return r.Totals().Dropped == 2 })
}
