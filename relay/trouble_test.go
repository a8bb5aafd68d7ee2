package relay_test

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/layer/quic"
	"zocalo/relay"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A TO that vanishes in the middle: its reset reaches the peer.
func TestTargetVanishes(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	c := dial(t, r.address())
	writes(t, c, "hola")
	s := accept(t, l)
	wants(t, s, "hola")
	try(t, s.Abort())
	_, err := io.ReadAll(c)
	wantsErr(t, err, syscall.ECONNRESET)
	if p := r.ended(); p.Result.How != outcome.Reset || p.Result.Side != outcome.B {
		t.Errorf("the pair ended as %+v", p)
	}
}

// A peer that never reads stops whoever writes to it, and memory stays bounded.
func TestPeerNeverReads(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	c := dial(t, r.address())
	s := accept(t, l)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sent, piece := 0, make([]byte, 64<<10)
	for {
		try(t, c.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err := c.Write(piece)
		sent += n
		if err != nil {
			wantsErr(t, err, os.ErrDeadlineExceeded)
			break
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	// All that was taken is there once it is read.
	try(t, c.Shutdown(socket.ShutdownWrite))
	if n, err := io.Copy(io.Discard, s); err != nil || n != int64(sent) {
		t.Errorf("%d of %d bytes arrived, %v", n, sent, err)
	}
}

// Clients that connect and reset at once leave nothing behind, and the next one
// is served.
func TestClientResetsAtOnce(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	at := r.address()
	var servers sync.WaitGroup
	servers.Go(func() {
		for {
			s, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			servers.Go(func() {
				io.Copy(s, s)
				s.Close()
			})
		}
	})
	for range 50 {
		c, err := zocalo.Dial(t.Context(), at)
		try(t, err)
		try(t, c.Abort())
	}
	c := dial(t, at)
	writes(t, c, "hola")
	wants(t, c, "hola")
	try(t, c.Close())
	await(t, "nothing is open", func() bool { return len(r.Open()) == 0 })
	try(t, l.Close())
	servers.Wait()
}

// Stopped in the middle of a stream: what is open may finish, and does.
func TestStoppedInTheMiddle(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	path := inTemp(t, "near")
	r := relays(t, nil, "unix-listen:"+path, addressOf(t, "tcp:127.0.0.1:0", l))
	c := dial(t, r.address())
	s := accept(t, l)
	writes(t, c, "before")
	wants(t, s, "before")
	r.stop()
	await(t, "the listener is closed", func() bool { _, err := os.Stat(path); return os.IsNotExist(err) })
	writes(t, c, "after")
	wants(t, s, "after")
	try(t, c.Close())
	wantsEOF(t, s)
	try(t, s.Close())
	try(t, r.over())
}

// The time to finish is over: both ends are reset, and know that it was not
// the end.
func TestDrainIsOver(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, func(b *relay.Relay) { b.Drain = 10 * time.Millisecond }, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	c := dial(t, r.address())
	s := accept(t, l)
	writes(t, c, "before")
	wants(t, s, "before")
	r.stop()
	for _, end := range []*socket.Socket{c, s} {
		_, err := end.Read(make([]byte, 1))
		wantsErr(t, err, syscall.ECONNRESET)
	}
	if p := r.ended(); p.Result.How != outcome.Cancelled || !errors.Is(p.Err, relay.ErrStopped) {
		t.Errorf("the pair ended as %+v", p)
	}
	try(t, r.over())
}

// The file of a unix socket is deleted underneath: what is open goes on, who
// comes later finds nothing, and a file that somebody else made there stays.
func TestSocketFileDeleted(t *testing.T) {
	target := inTemp(t, "target")
	l := listen(t, "unix:"+target)
	near := inTemp(t, "near")
	r := relays(t, nil, "unix-listen:"+near, "unix:"+target)
	at := r.address()
	c := dial(t, at)
	s := accept(t, l)
	try(t, os.Remove(target))
	writes(t, c, "hola")
	wants(t, s, "hola")
	if c, err := zocalo.Dial(t.Context(), at); err == nil {
		io.Copy(io.Discard, c) // closed without an answer: unix knows no reset
		c.Close()
	}
	p := r.ended()
	wantsErr(t, p.Err, syscall.ENOENT)

	try(t, os.Remove(near))
	_, err := zocalo.Dial(t.Context(), at)
	wantsErr(t, err, syscall.ENOENT)
	other := listen(t, at)
	try(t, c.Close())
	try(t, s.Close())
	r.stop()
	try(t, r.over())
	if _, err := os.Stat(near); err != nil {
		t.Errorf("somebody else's file is gone: %v", err)
	}
	other.Close()
}

// A FIFO that nobody reads is given up in time, and the peer is reset.
func TestPipeWithoutReader(t *testing.T) {
	path := inTemp(t, "pipe")
	try(t, syscall.Mkfifo(path, 0o600))
	r := relays(t, func(b *relay.Relay) { b.ConnectTimeout = 50 * time.Millisecond }, tcpListen, "pipe:"+path+",wronly")
	wantsReset(t, r.address(), "hola")
	if p := r.ended(); !mentions(p.Err, "nobody opened the pipe to read") {
		t.Errorf("the pair ended as %+v", p)
	}
}

// What an ICMP message says is its own session's: the others go on.
func TestICMPIsOfOneSession(t *testing.T) {
	alive := listen(t, "udp:127.0.0.1:0").Sockets()[0]
	dead := listen(t, "udp:127.0.0.1:0")
	gone := dead.Name().String()
	try(t, dead.Close())
	r := relays(t, nil, "udp-listen:127.0.0.1:0", "udp:"+gone)
	other := relays(t, nil, "udp-listen:127.0.0.1:0", "udp:"+alive.Name().String())
	c := dial(t, r.address())
	writes(t, c, "to nobody")
	await(t, "the log tells of it", func() bool {
		if r.Path == relay.General && len(r.ends) > 0 {
			return errors.Is((<-r.ends).Err, syscall.ECONNREFUSED)
		}
		writes(t, c, "again")
		return strings.Contains(r.journal.String(), "refused")
	})
	d := dial(t, other.address())
	writes(t, d, "hola")
	wantsMessage(t, alive, "hola")
}

// No descriptors are left: first none to accept with, then none to reach TO.
// The peer waits, the log says so, and nothing of what it sent is lost.
func TestNoDescriptors(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	at := r.address()
	first := dial(t, at) // so that what serving itself needs is there
	accept(t, l)
	e := exhaust(t)
	defer e.end()
	e.giveBack(1) // for the client
	c := dial(t, at)
	writes(t, c, "hola")
	// What ended before may give another one back meanwhile: then it is TO's
	// that lacks, or none.
	short := func() bool {
		log := r.journal.String()
		return strings.Contains(log, "accepting pauses") || strings.Contains(log, "trying again") || len(r.Open()) == 2
	}
	await(t, "the log says that descriptors are out", short)
	e.giveBack(1) // to accept with
	await(t, "the pair is there", func() bool { return len(r.Open()) == 2 })
	e.end()
	wants(t, accept(t, l), "hola")
	try(t, first.Close())
}

// An exhaustion has taken all descriptors that this process may have.
type exhaustion struct {
	t     *testing.T
	old   syscall.Rlimit
	taken []int
}

// fewOpen waits until what tests before left open for a while is closed, such as the
// connections of QUIC: in the middle of a test that counts descriptors they would be some
// too many, or come back.
func fewOpen(t *testing.T) {
	t.Helper()
	await(t, "few descriptors are open", func() bool {
		quic.CloseIdle()
		open, err := os.ReadDir("/dev/fd")
		return err != nil || len(open) < 50
	})
}

func exhaust(t *testing.T) *exhaustion {
	t.Helper()
	fewOpen(t)
	e := &exhaustion{t: t}
	try(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &e.old))
	few := e.old
	few.Cur = 256
	try(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	for {
		fd, err := syscall.Dup(0)
		if err != nil {
			return e
		}
		e.taken = append(e.taken, fd)
	}
}

func (e *exhaustion) giveBack(n int) {
	for _, fd := range e.taken[:n] {
		syscall.Close(fd)
	}
	e.taken = e.taken[n:]
}

func (e *exhaustion) end() {
	e.giveBack(len(e.taken))
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &e.old)
}
