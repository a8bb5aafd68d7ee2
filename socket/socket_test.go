package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	socket.SetTrace(func(c socket.Call) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, c.Name)
		if c.Took < 0 || c.Start.IsZero() {
			t.Errorf("%v took %v from %v", c, c.Took, c.Start)
		}
		if !strings.HasPrefix(c.String(), c.Name+"(") || !strings.Contains(c.String(), ") = ") {
			t.Errorf("%q", c)
		}
	})
	defer socket.SetTrace(nil)
	a, b := tcp.pair(t)
	write(t, a, "hola")
	wantRead(t, b, "hola")
	sendUrgent(t, a, "!")
	wantUrgent(t, b, "!")
	check(t, a.Shutdown(socket.ShutdownWrite))
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	check(t, a.Close())
	check(t, b.Close())
	mu.Lock()
	defer mu.Unlock()
	if got, want := strings.Join(lines, " "), "socket bind listen socket connect accept close write read send recv shutdown read close close"; got != want {
		t.Errorf("traced %s; want %s", got, want)
	}
}

// An option that is only read has no text of its own, and is told all the same.
func TestTraceOfReadOption(t *testing.T) {
	var seen string
	socket.SetTrace(func(c socket.Call) { seen = c.String() })
	defer socket.SetTrace(nil)
	a, _ := unixStream.pair(t)
	who, err := option.PeerCredentials.Get(a)
	check(t, err)
	if !strings.Contains(seen, "SO_PEERCRED") || !strings.Contains(seen, fmt.Sprint(who)) {
		t.Errorf("traced %q", seen)
	}
}

// A time-out is what package net calls one, and errors have its words.
func TestErrors(t *testing.T) {
	each(t, append(append([]testKind{}, streams...), datagrams...), func(t *testing.T, k testKind) {
		a, _ := k.pair(t)
		check(t, a.SetReadDeadline(longAgo))
		_, err := a.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no time-out", err)
		}
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "read" || op.Net != k.String() {
			t.Errorf("%#v", err)
		}
	})
	_, err := socket.New(999, socket.Stream, 0)
	wantError(t, "a domain that nobody registered", err, errors.ErrUnsupported)
	_, err = socket.New(socket.Unix, 77, 0)
	if err == nil || !strings.Contains(err.Error(), "socket(AF_UNIX, 77, 0)") {
		t.Errorf("a type that is none: %v", err)
	}
	_, _, err = socket.Pair(socket.Inet, socket.Stream, 0)
	wantError(t, "a pair without a family for it", err, errors.ErrUnsupported)
	d := udp.open(t)
	wantError(t, "Listen", d.Listen(0), errors.ErrUnsupported)
	_, err = d.Accept(t.Context())
	wantError(t, "Accept", err, errors.ErrUnsupported)
	_, err = d.Send(&socket.Message{SegmentSize: 10})
	if err == nil {
		t.Error("a train without a peer was sent")
	}
	s := unixStream.open(t)
	_, err = s.Read(make([]byte, 1))
	wantError(t, "Read without a connection", err, syscall.EINVAL)
	c := tcp.open(t)
	_, err = c.Read(make([]byte, 1))
	wantError(t, "Read without a connection", err, syscall.ENOTCONN)
	wantError(t, "Shutdown without a connection", c.Shutdown(socket.ShutdownWrite), syscall.ENOTCONN)
	_, err = c.Accept(t.Context())
	wantError(t, "Accept without Listen", err, syscall.EINVAL)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "Connect past its context", c.Connect(ctx, loopback(1)), context.Canceled)
}

// A vsock message of no bytes would be lost by the system without a word.
func TestVSockEmptyMessage(t *testing.T) {
	s, err := socket.New(socket.VSock, socket.SeqPacket, 0)
	if err != nil {
		t.Skip("no vsock here:", err)
	}
	defer s.Close()
	_, err = s.Write(nil)
	wantError(t, "Write", err, errors.ErrUnsupported)
	_, err = s.Send(&socket.Message{})
	wantError(t, "Send", err, errors.ErrUnsupported)
	_, err = s.Writev(nil)
	wantError(t, "Writev", err, errors.ErrUnsupported)
}

func TestAbort(t *testing.T) {
	each(t, []testKind{tcp, tcp6, mptcp}, func(t *testing.T, k testKind) {
		a, b := k.pair(t)
		write(t, a, "lost")
		c := start(t, "ReceiveBeyond", func() error {
			for {
				if _, err := b.Read(make([]byte, 100)); err != nil {
					return err
				}
			}
		})
		check(t, a.Abort())
		c.end(syscall.ECONNRESET)
		wantError(t, "Close", a.Close(), net.ErrClosed)
		wantError(t, "Abort", a.Abort(), net.ErrClosed)
	})
}

func TestOnClose(t *testing.T) {
	ran := ""
	note := func(what string) func() { return func() { ran += what } }
	s := tcp.open(t)
	s.OnClose(note("1"))
	s.OnClose(note("2"))
	check(t, s.Close())
	wantError(t, "Close", s.Close(), net.ErrClosed)
	s.OnClose(note("3"))
	if ran != "123" {
		t.Errorf("of 1 and 2 before Close, and 3 after it, %q ran", ran)
	}
}

func TestAddresses(t *testing.T) {
	for _, e := range []struct {
		kind          testKind
		local, remote string
	}{
		{tcp, "*net.TCPAddr 0.0.0.0:0", "<nil> <nil>"},
		{udp6, "*net.UDPAddr [::]:0", "<nil> <nil>"},
		{unixStream, "*net.UnixAddr @", "<nil> <nil>"},
	} {
		s := e.kind.open(t)
		if got := fmt.Sprintf("%T %v", s.LocalAddr(), s.LocalAddr()); got != e.local {
			t.Errorf("%v without a name is at %q, want %q", e.kind, got, e.local)
		}
		if got := fmt.Sprintf("%T %v", s.RemoteAddr(), s.RemoteAddr()); got != e.remote {
			t.Errorf("%v without a peer has %q, want %q", e.kind, got, e.remote)
		}
	}
}

// A zone is told by the interface's name, and taken by name and number.
func TestZone(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("no interface lo:", err)
	}
	byName := socket.InetName(netip.MustParseAddrPort("[fe80::1%lo]:9"))
	byNumber := socket.InetName(netip.MustParseAddrPort(fmt.Sprintf("[fe80::1%%%d]:9", lo.Index)))
	if byName != byNumber || byName.String() != "[fe80::1%lo]:9" {
		t.Errorf("%v and %v", byName, byNumber)
	}
	gone := socket.InetName(netip.MustParseAddrPort("[fe80::1%1234567]:9"))
	if gone.String() != "[fe80::1%1234567]:9" {
		t.Errorf("%v", gone)
	}
}

// With no descriptor left Accept fails, and works again when there is one.
func TestAcceptWithoutDescriptors(t *testing.T) {
	each(t, append(append([]testKind{}, streams...), seqPackets...), func(t *testing.T, k testKind) {
		l := k.listener(t)
		c := k.open(t)
		check(t, c.Connect(t.Context(), l.Name()))
		starve(t, func() {
			_, err := l.Accept(t.Context())
			wantError(t, "Accept", err, syscall.EMFILE)
			_, err = socket.New(k.Domain, k.Type, k.Protocol)
			wantError(t, "New", err, syscall.EMFILE)
		})
		s, err := l.Accept(t.Context())
		check(t, err)
		write(t, c, "x")
		wantRead(t, s, "x")
		check(t, s.Close())
	})
}

// starve takes all descriptors away while f runs.
func starve(t *testing.T, f func()) {
	t.Helper()
	var limit syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	probe, err := os.Open(os.DevNull)
	check(t, err)
	lowest := probe.Fd()
	probe.Close()
	low := limit
	setTo(&low.Cur, lowest)
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	f()
}

// setTo sets a number whose type differs between systems.
func setTo[T int64 | uint64](p *T, n uintptr) { *p = T(n) }

// A wait that cannot be begun, for want of a descriptor for its epoll, fails
// and leaves the socket good.
func TestUrgentWithoutDescriptors(t *testing.T) {
	a, b := tcp.pair(t)
	starve(t, func() {
		_, err := b.ReceiveUrgent(t.Context(), make([]byte, 1))
		wantError(t, "ReceiveUrgent", err, syscall.EMFILE)
	})
	sendUrgent(t, a, "!")
	wantUrgent(t, b, "!")
}

func TestOptions(t *testing.T) {
	s := tcp.open(t)
	wrapped := socket.Wrap(s, s.Kind())
	for _, e := range []socket.Endpoint{s, wrapped} {
		check(t, option.NoDelay.Set(e, true))
		if on, err := option.NoDelay.Get(e); !on || err != nil {
			t.Errorf("nodelay is %v, %v", on, err)
		}
	}
	for d, want := range map[time.Duration]time.Duration{
		-1: -time.Second, 0: 0, 1: time.Second, time.Second: time.Second, 1500 * time.Millisecond: 2 * time.Second,
	} {
		check(t, option.Linger.Set(s, d))
		got, err := option.Linger.Get(s)
		check(t, err)
		if got != want {
			t.Errorf("linger %v became %v, want %v", d, got, want)
		}
	}
	check(t, option.UserTimeout.Set(s, 1500*time.Microsecond))
	if d, err := option.UserTimeout.Get(s); d != 2*time.Millisecond || err != nil {
		t.Errorf("user-timeout is %v, %v, want 2ms", d, err)
	}
	// What has more than 32 bits is not cut to something else.
	for name, o := range map[string]*option.Option[time.Duration]{
		"linger": option.Linger, "keepidle": option.KeepAliveIdle, "user-timeout": option.UserTimeout,
	} {
		for _, d := range []time.Duration{1<<63 - 1, (1<<32 + 1) * time.Second} {
			wantError(t, name, o.Set(s, d), syscall.EINVAL)
		}
	}
	u := unixStream.open(t)
	if err := option.NoDelay.Set(u, true); err == nil || !errors.Is(err, syscall.EOPNOTSUPP) {
		t.Errorf("nodelay on a unix socket: %v", err)
	}
	a, _ := unixStream.pair(t)
	c, err := option.PeerCredentials.Get(a)
	check(t, err)
	if c.PID != os.Getpid() || c.UID != os.Getuid() {
		t.Errorf("the peer is %v", c)
	}
	check(t, s.Close())
	wantError(t, "Set after Close", option.NoDelay.Set(s, true), net.ErrClosed)
	info, err := func() (option.TCPInfo, error) { x, _ := tcp.pair(t); return option.ConnectionInfo.Get(x) }()
	check(t, err)
	if info.State.String() != "ESTABLISHED" || info.SendMSS == 0 {
		t.Errorf("%+v", info)
	}
}

// Whoever connected first is accepted first, and the backlog's default is the
// most that the system has.
func TestQueue(t *testing.T) {
	l := unixStream.listener(t)
	const many = 300
	for i := range many {
		c := unixStream.open(t)
		check(t, c.Connect(t.Context(), l.Name()))
		_, err := c.Write([]byte{byte(i)})
		check(t, err)
	}
	for i := range many {
		s, err := l.Accept(t.Context())
		check(t, err)
		wantRead(t, s, string([]byte{byte(i)}))
		check(t, s.Close())
	}
}
