package socket_test

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

func info(t *testing.T, s *socket.Socket) option.TCPInfo {
	t.Helper()
	i, err := option.ConnectionInfo.Get(s)
	check(t, err)
	return i
}

// soon makes f again until it finishes within the time in which no timer of
// the system interferes, and returns what it said. Machines that are busy
// cannot promise that each time.
func soon(t *testing.T, bound time.Duration, f func() bool) bool {
	t.Helper()
	for range 100 {
		start := time.Now()
		ok := f()
		if ok || time.Since(start) < bound {
			return ok
		}
	}
	t.Skipf("the machine is too busy: nothing takes less than %v", bound)
	return false
}

// eventually waits until f is true: what one call caused, the system may do a
// moment later, on another processor.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// tcpCounter reads a counter of the thread's network namespace, as
// "TCPFastOpenActive".
func tcpCounter(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/netstat")
	check(t, err)
	lines := strings.Split(string(b), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j := range names {
			if names[j] == name {
				n, err := strconv.Atoi(values[j])
				check(t, err)
				return n
			}
		}
	}
	t.Fatalf("no counter %s", name)
	return 0
}

// Data goes with the first packet both ways of having a cookie: without any,
// and with that of an earlier connection. The kernel's own counters say so.
func TestFastOpenData(t *testing.T) {
	testenv.InNamespace(t, nil, func() {
		check(t, os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("3"), 0)) // both sides, with cookies
		l := tcp.bound(t)
		check(t, option.FastOpen.Set(l, 10))
		check(t, l.Listen(0))
		for i, early := range []bool{false, true, true} {
			active, passive := tcpCounter(t, "TCPFastOpenActive"), tcpCounter(t, "TCPFastOpenPassive")
			c := connected(t, tcp, l.Name(), func(s *socket.Socket) error { return option.FastOpenConnect.Set(s, true) })
			_, err := c.Write([]byte("hello"))
			check(t, err)
			s := accepted(t, l)
			receives(t, s, "hello")
			eventually(t, "the client's first packet is answered", func() bool { return info(t, c).Unacknowledged == 0 })
			if got := info(t, c).FastOpenData; got != early {
				t.Errorf("connection %d: data with the first packet is %v, for the client", i, got)
			}
			if got := info(t, s).FastOpenData; got != early {
				t.Errorf("connection %d: data with the first packet is %v, for the server", i, got)
			}
			want := 0
			if early {
				want = 1
			}
			if a, p := tcpCounter(t, "TCPFastOpenActive")-active, tcpCounter(t, "TCPFastOpenPassive")-passive; a != want || p != want {
				t.Errorf("connection %d: the kernel counts %d sent and %d taken, want %d", i, a, p, want)
			}
		}
		// A listener without the option takes none.
		plain := tcp.listener(t)
		for range 2 {
			c := connected(t, tcp, plain.Name(), func(s *socket.Socket) error { return option.FastOpenConnect.Set(s, true) })
			_, err := c.Write([]byte("hello"))
			check(t, err)
			if receives(t, accepted(t, plain), "hello"); info(t, c).FastOpenData {
				t.Error("a listener without the option took data with the first packet")
			}
		}
	})
}

// A connection enters the queue of a listener that defers with its first data,
// and that of another at once.
func TestDeferAcceptQueue(t *testing.T) {
	deferring, plain := tcp.bound(t), tcp.bound(t)
	check(t, option.DeferAccept.Set(deferring, time.Minute))
	// Of a listener these are the connections that wait to be accepted.
	waiting := func(l *socket.Socket) int { return info(t, l).Unacknowledged }
	var clients []*socket.Socket
	for _, l := range []*socket.Socket{deferring, plain} {
		check(t, l.Listen(0))
		clients = append(clients, connected(t, tcp, l.Name()))
	}
	eventually(t, "the later connection waits to be accepted", func() bool { return waiting(plain) == 1 })
	if n := waiting(deferring); n != 0 {
		t.Errorf("%d connections without data wait to be accepted", n)
	}
	_, err := clients[0].Write([]byte("data"))
	check(t, err)
	eventually(t, "the connection with data waits to be accepted", func() bool { return waiting(deferring) == 1 })
	receives(t, accepted(t, deferring), "data")
}

// Corked writes leave as one segment when the cork is drawn; without a cork and
// without Nagle's wait, each is a segment.
func TestCork(t *testing.T) {
	send := func(a *socket.Socket) {
		for range 5 {
			_, err := a.Write(make([]byte, 10))
			check(t, err)
		}
	}
	a, b := tcp.pair(t)
	check(t, option.NoDelay.Set(a, true))
	send(a)
	if n := info(t, a).DataSegmentsSent; n != 5 {
		t.Errorf("%d segments without a cork, want 5", n)
	}
	_, err := io.ReadFull(b, make([]byte, 50))
	check(t, err)
	held := soon(t, 100*time.Millisecond, func() bool {
		a, b = tcp.pair(t)
		check(t, option.NoDelay.Set(a, true))
		check(t, option.Cork.Set(a, true))
		send(a)
		i := info(t, a)
		return i.DataSegmentsSent == 0 && i.NotSent == 50
	})
	if !held {
		t.Error("a cork holds nothing back")
	}
	check(t, option.Cork.Set(a, false))
	_, err = io.ReadFull(b, make([]byte, 50))
	check(t, err)
	if n := info(t, a).DataSegmentsSent; n != 1 {
		t.Errorf("%d segments left when the cork was drawn, want 1", n)
	}
}

// NoDelay decides whether a small segment waits for the acknowledgement of the
// one before.
func TestNoDelay(t *testing.T) {
	for _, on := range []bool{false, true} {
		sent := func() bool {
			a, b := tcp.pair(t)
			check(t, option.NoDelay.Set(a, on))
			check(t, option.QuickAck.Set(b, false)) // so that the acknowledgement is late
			for range 3 {
				_, err := a.Write([]byte("x"))
				check(t, err)
			}
			return (info(t, a).NotSent == 0) == on
		}
		if !soon(t, 30*time.Millisecond, sent) {
			t.Errorf("with nodelay %v small segments are not as it says", on)
		}
	}
}

// Above the low water a write waits, although the send buffer has room.
func TestNotSentLowWater(t *testing.T) {
	for _, low := range []int{0, 16 << 10} {
		a, b := tcp.pair(t)
		check(t, option.ReceiveBuffer.Set(b, 8<<10))
		check(t, option.SendBuffer.Set(a, 1<<20))
		if low > 0 {
			check(t, option.NotSentLowWater.Set(a, low))
		}
		const part = 4 << 10
		for stuck := 0; stuck < 3; stuck++ { // a machine that is busy may be late once
			check(t, a.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
			n, err := a.Write(make([]byte, part))
			if n > 0 {
				stuck = -1
			}
			if n < part {
				wantError(t, "Write", err, os.ErrDeadlineExceeded)
			}
		}
		if n := info(t, a).NotSent; (n <= 2*max(low, part)) != (low > 0) {
			t.Errorf("low water %d: %d bytes are not sent yet", low, n)
		}
	}
}

// Setting quickack sends the acknowledgement that is due at once.
func TestQuickAck(t *testing.T) {
	var a, b *socket.Socket
	late := soon(t, 30*time.Millisecond, func() bool {
		a, b = tcp.pair(t)
		check(t, option.QuickAck.Set(b, false))
		_, err := a.Write([]byte("x"))
		check(t, err)
		receives(t, b, "x")
		return info(t, a).Unacknowledged == 1
	})
	if !late {
		t.Error("without quickack it is acknowledged at once")
	}
	check(t, option.QuickAck.Set(b, true))
	eventually(t, "the segment is acknowledged", func() bool { return info(t, a).Unacknowledged == 0 })
}

// What it accepts takes over a listener's algorithm, and segments are no
// longer than was set.
func TestCongestionAndMaxSegment(t *testing.T) {
	l := tcp.bound(t)
	check(t, option.Congestion.Set(l, "reno"))
	check(t, l.Listen(0))
	c := connected(t, tcp, l.Name(), func(s *socket.Socket) error { return option.MaxSegment.Set(s, 1000) })
	s := accepted(t, l)
	if name, err := option.Congestion.Get(s); name != "reno" || err != nil {
		t.Errorf("algorithm %q, %v", name, err)
	}
	_, err := s.Write(make([]byte, 10000))
	check(t, err)
	_, err = io.ReadFull(c, make([]byte, 10000))
	check(t, err)
	// 12 bytes of each segment are the option of timestamps (RFC 7323).
	if i := info(t, s); i.SendMSS != 988 || i.DataSegmentsSent < 11 {
		t.Errorf("segments of %d bytes, %d of them", i.SendMSS, i.DataSegmentsSent)
	}
}

// The port of a name without one is chosen by bind, or left to connect; an
// address of others is taken with freebind alone.
func TestBindOptions(t *testing.T) {
	l := tcp.listener(t)
	for _, late := range []bool{false, true} {
		s := tcp.open(t)
		check(t, option.BindAddressNoPort.Set(s, late))
		check(t, s.Bind(loopback(0)))
		if port := s.Name().AddrPort().Port(); (port == 0) != late {
			t.Errorf("late %v: port %d after bind", late, port)
		}
		check(t, s.Connect(t.Context(), l.Name()))
		if s.Name().AddrPort().Port() == 0 {
			t.Error("no port after connect")
		}
	}
	for _, free := range []bool{false, true} {
		s := tcp.open(t)
		check(t, option.FreeBind.Set(s, free))
		if err := s.Bind(named("192.0.2.77:0")); (err == nil) != free {
			t.Errorf("freebind %v: %v", free, err)
		}
	}
	for _, only := range []bool{false, true} {
		s, err := socket.New(socket.Inet6, socket.Stream, 0)
		check(t, err)
		defer s.Close()
		check(t, option.V6Only.Set(s, only))
		check(t, s.Bind(named("[::]:0")))
		check(t, s.Listen(0))
		c := tcp.open(t)
		if err := c.Connect(t.Context(), loopback(s.Name().AddrPort().Port())); (err != nil) != only {
			t.Errorf("v6only %v: an IPv4 client gets %v", only, err)
		}
	}
}

// The clocks of network cards are asked for in vain where there is none: over
// loopback only the system's times come, and nothing says otherwise.
func TestHardwareTimesAbsent(t *testing.T) {
	a, b := udp.pair(t)
	check(t, option.Timestamping.Set(b, option.ReceivedTime|option.ReceivedHardwareTime))
	m := message(1)
	for m.Ancillary.Present&socket.HasTime == 0 {
		_, err := a.Write([]byte("x"))
		check(t, err)
		check(t, b.Receive(m))
	}
	if m.Ancillary.Present&socket.HasHardwareTime != 0 || !m.Ancillary.HardwareTime.IsZero() {
		t.Errorf("hardware time %v", m.Ancillary.HardwareTime)
	}
	check(t, option.Timestamping.Set(a, option.SentHardwareTime))
	_, err := a.Write([]byte("x"))
	check(t, err)
	check(t, a.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if err := a.ReceiveError(m); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the time of sending by hardware: %v, %+v", err, m.Ancillary)
	}
}
