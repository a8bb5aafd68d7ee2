package relay_test

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/relay"
	"zocalo/relay/outcome"
)

// wantsReset fails unless a client that connects and sends text is reset; that
// may be so early that even connecting is told of it.
func wantsReset(t *testing.T, at, text string) {
	t.Helper()
	c, err := zocalo.Dial(t.Context(), at)
	if err == nil {
		defer c.Close()
		io.WriteString(c, text)
		_, err = io.ReadAll(c)
	}
	wantsErr(t, err, syscall.ECONNRESET)
}

// A TO that refuses: the peer is reset, and the log says why.
func TestRefusingTarget(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	to := addressOf(t, "tcp:127.0.0.1:0", l)
	try(t, l.Close())
	r := relays(t, nil, tcpListen, to)
	wantsReset(t, r.address(), "")
	p := r.ended()
	wantsErr(t, p.Err, syscall.ECONNREFUSED)
	if p.Result.How != outcome.Failed || p.Target != "" {
		t.Errorf("the pair ended as %+v", p)
	}
}

// A TO that comes up later is waited for, and what the peer sent meanwhile
// arrives.
func TestRetry(t *testing.T) {
	path := inTemp(t, "later")
	r := relays(t, func(b *relay.Relay) { b.Retry = -1 }, tcpListen, "unix:"+path)
	c := dial(t, r.address())
	writes(t, c, "early")
	await(t, "the relay tries again", func() bool { return len(r.journal.String()) > 0 })
	s := accept(t, listen(t, "unix:"+path))
	wants(t, s, "early")
}

// One of several TO is down, and one that never answers is given up.
func TestSeveralTargets(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	full := listen(t, "unix:"+inTemp(t, "full")+",backlog=1")
	for range 2 { // a backlog of 1 holds two
		dial(t, "unix:"+full.Name().String())
	}
	r := relays(t, func(b *relay.Relay) { b.ConnectTimeout = 50 * time.Millisecond },
		tcpListen, "unix:"+inTemp(t, "nothing"), "unix:"+full.Name().String(), addressOf(t, "tcp:127.0.0.1:0", l))
	c := dial(t, r.address())
	writes(t, c, "hola")
	wants(t, accept(t, l), "hola")
}

// A disk that is full fails the pair: no byte is lost in silence.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	r := relays(t, nil, tcpListen, "file:/dev/full,wronly")
	wantsReset(t, r.address(), "hola")
	wantsErr(t, r.ended().Err, syscall.ENOSPC)
}
