package socket_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// What package net's own tests promise of the parts that both packages have,
// as tables that are run over either: a case that fails over package net is
// wrong about it, and one that fails over this package alone is a difference
// that nobody decided.

// A library opens connections, listeners and packet conns of package net's
// interfaces.
type library struct {
	name string
	// listen and dial are of streams, packet of datagrams; network is one of
	// tcp4, tcp6, udp4, udp6, unix and unixgram.
	listen func(t testing.TB, network, address string) net.Listener
	dial   func(t testing.TB, network string, to net.Addr) net.Conn
	packet func(t testing.TB, network, address string) net.PacketConn
	// connected is a datagram conn from a name, "" for none, to another.
	connected func(t testing.TB, network, from string, to net.Addr) net.Conn
}

var networks = map[string]testKind{"tcp4": tcp, "tcp6": tcp6, "udp4": udp, "udp6": udp6, "unix": unixStream, "unixgram": unixDatagram, "unixpacket": unixSeqPacket}

// text makes a name of what package net calls an address.
func nameOfText(t testing.TB, network, address string) socket.Name {
	t.Helper()
	if strings.HasPrefix(network, "unix") {
		n, err := socket.UnixName(address)
		check(t, err)
		return n
	}
	return named(address)
}

func dialed(t testing.TB, network, from string, to net.Addr) net.Conn {
	t.Helper()
	s := networks[network].open(t)
	if from != "" {
		check(t, s.Bind(nameOfText(t, network, from)))
	}
	n, err := socket.NameOf(to)
	check(t, err)
	check(t, s.Connect(t.Context(), n))
	return s
}

var libraries = []library{
	{
		"zocalo",
		func(t testing.TB, network, address string) net.Listener {
			t.Helper()
			s := networks[network].open(t)
			if network != "unix" {
				check(t, option.ReuseAddress.Set(s, true)) // which package net sets by itself
			}
			check(t, s.Bind(nameOfText(t, network, address)))
			check(t, s.Listen(0))
			return s.Listener()
		},
		func(t testing.TB, network string, to net.Addr) net.Conn { return dialed(t, network, "", to) },
		func(t testing.TB, network, address string) net.PacketConn {
			t.Helper()
			s := networks[network].open(t)
			check(t, s.Bind(nameOfText(t, network, address)))
			return s.PacketConn()
		},
		dialed,
	},
	{
		"net",
		func(t testing.TB, network, address string) net.Listener {
			t.Helper()
			l, err := net.Listen(network, address)
			check(t, err)
			t.Cleanup(func() { l.Close() })
			return l
		},
		func(t testing.TB, network string, to net.Addr) net.Conn {
			t.Helper()
			c, err := net.Dial(network, to.String())
			check(t, err)
			t.Cleanup(func() { c.Close() })
			return c
		},
		func(t testing.TB, network, address string) net.PacketConn {
			t.Helper()
			c, err := net.ListenPacket(network, address)
			check(t, err)
			t.Cleanup(func() { c.Close() })
			return c
		},
		func(t testing.TB, network, from string, to net.Addr) net.Conn {
			t.Helper()
			d := net.Dialer{}
			if from != "" {
				var err error
				if network == "unixgram" {
					d.LocalAddr, err = net.ResolveUnixAddr(network, from)
				} else {
					d.LocalAddr, err = net.ResolveUDPAddr(network, from)
				}
				check(t, err)
			}
			c, err := d.Dial(network, to.String())
			check(t, err)
			t.Cleanup(func() { c.Close() })
			return c
		},
	},
}

// anyAddress is an address of the network that the system, or the test,
// chooses.
func anyAddress(t testing.TB, network string) string {
	switch {
	case strings.HasPrefix(network, "unix"):
		return freshPath(t).Path()
	case strings.HasSuffix(network, "6"):
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

func eachLibrary(t *testing.T, networks []string, test func(*testing.T, library, string)) {
	for _, l := range libraries {
		for _, network := range networks {
			t.Run(l.name+"/"+network, func(t *testing.T) { test(t, l, network) })
		}
	}
}

func (l library) pair(t testing.TB, network string) (a, b net.Conn) {
	t.Helper()
	ln := l.listen(t, network, anyAddress(t, network))
	a = l.dial(t, network, ln.Addr())
	b, err := ln.Accept()
	check(t, err)
	t.Cleanup(func() { b.Close() })
	check(t, ln.Close())
	return a, b
}

func wantTimeout(t *testing.T, what string, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: %v, want the deadline's error, which is a timeout", what, err)
	}
}

var streamNetworks = []string{"tcp4", "tcp6", "unix"}

// A deadline in the past ends a call at once, every time; one in the future
// when it comes; none, or a later one, lets it go on.
func TestLikeNetDeadlines(t *testing.T) {
	never := time.Time{}
	eachLibrary(t, streamNetworks, func(t *testing.T, l library, network string) {
		ln := l.listen(t, network, anyAddress(t, network))
		a, b := l.pair(t, network)
		type deadliner interface{ SetDeadline(time.Time) error }
		full := func() error { // writes until it has to wait
			for {
				if _, err := a.Write(make([]byte, 64<<10)); err != nil {
					return err
				}
			}
		}
		buf := make([]byte, 10)
		for _, c := range []struct {
			what string
			of   deadliner
			call func() error
		}{
			{"Accept", ln.(deadliner), func() error { _, err := ln.Accept(); return err }},
			{"Read", b, func() error { _, err := b.Read(buf); return err }},
			{"Write", a, full},
		} {
			for _, after := range []time.Duration{-5 * time.Second, -1, 5 * time.Millisecond, 30 * time.Millisecond} {
				at := time.Now().Add(after)
				check(t, c.of.SetDeadline(at))
				for range 3 {
					wantTimeout(t, fmt.Sprintf("%s, after %v", c.what, after), c.call())
					if time.Now().Before(at) {
						t.Errorf("%s ended before its deadline of %v", c.what, after)
					}
				}
			}
			check(t, c.of.SetDeadline(never))
		}
		// What was written before the deadline came is there.
		check(t, b.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := io.ReadFull(b, buf)
		check(t, err)

		// A call that waits follows the deadline when it is moved.
		x, y := l.pair(t, network)
		check(t, x.SetReadDeadline(time.Now().Add(time.Hour)))
		read := make(chan error)
		go func() {
			_, err := x.Read(make([]byte, 1))
			read <- err
			_, err = x.Read(make([]byte, 1))
			read <- err
		}()
		check(t, x.SetReadDeadline(time.Now().Add(-time.Second)))
		wantTimeout(t, "Read whose deadline was moved", <-read)
		wantTimeout(t, "the next Read", <-read)
		check(t, x.SetReadDeadline(never))
		_, err = y.Write([]byte("x"))
		check(t, err)
		_, err = x.Read(buf)
		check(t, err)

		// Deadlines may be set while others read, write and set them.
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for range 50 {
					switch i {
					case 0:
						x.SetDeadline(time.Now().Add(time.Microsecond))
					case 1:
						x.SetReadDeadline(time.Time{})
					case 2:
						x.SetWriteDeadline(time.Now().Add(time.Millisecond))
					case 3:
						x.Write([]byte("x"))
					}
				}
			})
		}
		all.Wait()
		check(t, x.Close())
		for what, f := range map[string]func(time.Time) error{"SetDeadline": x.SetDeadline, "SetReadDeadline": x.SetReadDeadline, "SetWriteDeadline": x.SetWriteDeadline} {
			wantError(t, what+" after Close", f(never), net.ErrClosed)
		}
	})
	eachLibrary(t, []string{"udp4", "udp6", "unixgram"}, func(t *testing.T, l library, network string) {
		c := l.packet(t, network, anyAddress(t, network))
		other := l.packet(t, network, anyAddress(t, network))
		buf := make([]byte, 10)
		for _, after := range []time.Duration{-time.Second, 10 * time.Millisecond} {
			check(t, c.SetReadDeadline(time.Now().Add(after)))
			for range 3 {
				_, _, err := c.ReadFrom(buf)
				wantTimeout(t, "ReadFrom", err)
			}
		}
		check(t, c.SetWriteDeadline(time.Now().Add(-time.Second)))
		_, err := c.WriteTo([]byte("x"), other.LocalAddr())
		wantTimeout(t, "WriteTo", err)
		check(t, c.SetDeadline(never))
		_, err = other.WriteTo([]byte("now"), c.LocalAddr())
		check(t, err)
		n, _, err := c.ReadFrom(buf)
		if string(buf[:n]) != "now" || err != nil {
			t.Errorf("%q, %v", buf[:n], err)
		}
	})
}

// Each direction of a stream ends alone.
func TestLikeNetHalfClose(t *testing.T) {
	type halves interface {
		CloseRead() error
		CloseWrite() error
	}
	eachLibrary(t, streamNetworks, func(t *testing.T, l library, network string) {
		a, b := l.pair(t, network)
		buf := make([]byte, 10)
		n, err := a.Read(nil)
		if n != 0 || err != nil {
			t.Errorf("a read of no bytes: %d, %v", n, err)
		}
		_, err = a.Write([]byte("last"))
		check(t, err)
		check(t, a.(halves).CloseWrite())
		_, err = a.Write([]byte("x"))
		wantError(t, "Write after CloseWrite", err, syscall.EPIPE)
		n, err = io.ReadFull(b, buf)
		if string(buf[:n]) != "last" || err != io.ErrUnexpectedEOF {
			t.Errorf("%q, %v", buf[:n], err)
		}
		for range 2 {
			n, err = b.Read(buf)
			if n != 0 || err != io.EOF {
				t.Errorf("after the end: %d, %v", n, err)
			}
		}
		_, err = b.Write([]byte("back"))
		check(t, err)
		n, err = io.ReadFull(a, buf[:4])
		if string(buf[:n]) != "back" || err != nil {
			t.Errorf("the other direction: %q, %v", buf[:n], err)
		}
		check(t, a.(halves).CloseRead())
		n, err = a.Read(buf)
		if n != 0 || err != io.EOF {
			t.Errorf("Read after CloseRead: %d, %v", n, err)
		}
		check(t, a.Close())
		wantError(t, "Close again", a.Close(), net.ErrClosed)
		_, err = a.Read(buf)
		wantError(t, "Read after Close", err, net.ErrClosed)
		_, err = a.Write(buf)
		wantError(t, "Write after Close", err, net.ErrClosed)
		wantError(t, "CloseRead after Close", a.(halves).CloseRead(), net.ErrClosed)
		wantError(t, "CloseWrite after Close", a.(halves).CloseWrite(), net.ErrClosed)
	})
}

// A reset is an error that does not pass, and a refusal tells whose.
func TestLikeNetErrors(t *testing.T) {
	eachLibrary(t, []string{"tcp4", "tcp6"}, func(t *testing.T, l library, network string) {
		a, b := l.pair(t, network)
		switch b := b.(type) {
		case *net.TCPConn:
			check(t, b.SetLinger(0))
			check(t, b.Close())
		case *socket.Socket:
			check(t, b.Abort())
		}
		_, err := a.Read(make([]byte, 1))
		wantError(t, "Read after a reset", err, syscall.ECONNRESET)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "read" || op.Temporary() || op.Timeout() || op.Addr == nil || op.Addr.String() != a.RemoteAddr().String() {
			t.Errorf("%#v", err)
		}
		_, err = a.Read(make([]byte, 1))
		if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the next Read: %v", err)
		}
		ln := l.listen(t, network, anyAddress(t, network))
		check(t, ln.Close())
		_, err = ln.Accept()
		wantError(t, "Accept after Close", err, net.ErrClosed)
		wantError(t, "Close again", ln.Close(), net.ErrClosed)
		// The name is free at once, and again and again.
		for range 5 {
			again := l.listen(t, network, ln.Addr().String())
			c := l.dial(t, network, again.Addr())
			s, err := again.Accept()
			check(t, err)
			check(t, s.Close())
			check(t, c.Close())
			check(t, again.Close())
		}
	})
}

// A datagram of no bytes arrives as one, from whoever sent it; an unconnected
// sender needs to say where to.
func TestLikeNetDatagrams(t *testing.T) {
	eachLibrary(t, []string{"udp4", "udp6", "unixgram"}, func(t *testing.T, l library, network string) {
		c, from := l.packet(t, network, anyAddress(t, network)), l.packet(t, network, anyAddress(t, network))
		if port, ok := c.LocalAddr().(*net.UDPAddr); ok && port.Port == 0 {
			t.Errorf("the name is %v", c.LocalAddr())
		}
		buf := make([]byte, 10)
		for _, text := range []string{"", "x", "", "0123456789"} {
			n, err := from.WriteTo([]byte(text), c.LocalAddr())
			if n != len(text) || err != nil {
				t.Errorf("sending %q: %d, %v", text, n, err)
			}
			n, peer, err := c.ReadFrom(buf)
			if string(buf[:n]) != text || err != nil || peer == nil || peer.String() != from.LocalAddr().String() {
				t.Errorf("%q from %v, %v; want %q from %v", buf[:n], peer, err, text, from.LocalAddr())
			}
		}
		d := l.connected(t, network, "", c.LocalAddr())
		for _, text := range []string{"", "y", ""} {
			n, err := d.Write([]byte(text))
			if n != len(text) || err != nil {
				t.Errorf("writing %q: %d, %v", text, n, err)
			}
			n, peer, err := c.ReadFrom(buf)
			if string(buf[:n]) != text || err != nil {
				t.Errorf("%q, %v; want %q", buf[:n], err, text)
			}
			// Nobody has a name in the file system who did not bind one.
			if named := peer != nil && peer.String() != ""; named != strings.HasPrefix(network, "udp") {
				t.Errorf("from %v", peer)
			}
			if strings.HasPrefix(network, "udp") {
				_, err = c.WriteTo(nil, peer)
				check(t, err)
				n, err = d.Read(buf)
				if n != 0 || err != nil {
					t.Errorf("an empty answer: %d, %v", n, err)
				}
			}
		}
		if _, err := c.(net.Conn).Write([]byte("x")); err == nil {
			t.Error("an unconnected socket writes to nobody")
		}
		if _, err := c.WriteTo([]byte("x"), nil); err == nil {
			t.Error("it writes to nil")
		}
		if _, err := c.WriteTo([]byte("x"), &net.IPNet{}); err == nil {
			t.Error("it writes to an address of another kind")
		}
		check(t, c.Close())
		_, _, err := c.ReadFrom(buf)
		wantError(t, "ReadFrom after Close", err, net.ErrClosed)
		_, err = c.WriteTo(buf, from.LocalAddr())
		wantError(t, "WriteTo after Close", err, net.ErrClosed)
	})
}

// The two ends of a conversation name each other, whatever their names are
// made of.
func TestLikeNetNames(t *testing.T) {
	file := func(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }
	abstract := func(t *testing.T) string { return fmt.Sprintf("@zocalo %d %s", os.Getpid(), t.Name()) }
	longest := func(t *testing.T) string { return ("@" + abstract(t)[1:] + strings.Repeat("l", 200))[:108] }
	none := func(*testing.T) string { return "" }
	for _, c := range []struct {
		what         string
		server, from func(*testing.T) string
	}{
		{"a file", file, none}, {"files", file, file}, {"an abstract name", abstract, none},
		{"the longest abstract name", longest, none}, {"a file and an abstract name", file, abstract},
	} {
		if runtime.GOOS != "linux" && strings.Contains(c.what, "abstract") {
			continue
		}
		t.Run(c.what, func(t *testing.T) {
			eachLibrary(t, []string{"unixgram"}, func(t *testing.T, l library, network string) {
				server, from := c.server(t), c.from(t)
				s := l.packet(t, network, server)
				d := l.connected(t, network, from, s.LocalAddr())
				if s.LocalAddr().String() != server || d.RemoteAddr().String() != server || s.LocalAddr().Network() != network {
					t.Errorf("the server is %v, and to the client %v; want %v", s.LocalAddr(), d.RemoteAddr(), server)
				}
				// Package net writes no name as "@", which is the name of none.
				a := d.LocalAddr()
				if unnamed := a == nil || a.String() == "" || a.String() == "@"; unnamed != (from == "") || !unnamed && a.String() != from {
					t.Errorf("the client is %v, want %q", a, from)
				}
				_, err := d.Write([]byte("x"))
				check(t, err)
				_, peer, err := s.ReadFrom(make([]byte, 1))
				check(t, err)
				if (peer != nil && peer.String() != from) || (peer == nil && from != "") {
					t.Errorf("to the server it is %v, want %v", peer, from)
				}
			})
		})
	}
	eachLibrary(t, []string{"tcp4", "tcp6", "unix"}, func(t *testing.T, l library, network string) {
		ln := l.listen(t, network, anyAddress(t, network))
		a := l.dial(t, network, ln.Addr())
		b, err := ln.Accept()
		check(t, err)
		defer b.Close()
		if b.LocalAddr().String() != ln.Addr().String() || a.RemoteAddr().String() != ln.Addr().String() {
			t.Errorf("%v, %v, %v", ln.Addr(), b.LocalAddr(), a.RemoteAddr())
		}
		if network != "unix" && a.LocalAddr().String() != b.RemoteAddr().String() {
			t.Errorf("%v and %v", a.LocalAddr(), b.RemoteAddr())
		}
		before := []string{a.LocalAddr().String(), a.RemoteAddr().String()}
		check(t, a.Close())
		if after := []string{a.LocalAddr().String(), a.RemoteAddr().String()}; before[1] != after[1] || before[0] != after[0] {
			t.Errorf("after Close %q, before %q", after, before)
		}
	})
	// The system chooses an abstract name for a socket that binds to none.
	if runtime.GOOS == "linux" {
		eachLibrary(t, []string{"unixgram", "unix"}, func(t *testing.T, l library, network string) {
			var a net.Addr
			if network == "unix" {
				a = l.listen(t, network, "").Addr()
			} else {
				s := unixDatagram.open(t)
				check(t, s.Bind(nameOfText(t, network, "")))
				a = s.LocalAddr()
			}
			if text := a.String(); len(text) < 2 || text[0] != '@' {
				t.Errorf("the name is %q", text)
			}
		})
	}
}

// A path that does not fit is refused, and the longest that does is taken.
func TestLikeNetPathLength(t *testing.T) {
	for _, n := range []int{106, 107, 108, 109, 200} {
		path := "/tmp/" + strings.Repeat("p", n-5)
		_, ours := socket.UnixName(path)
		_, err := net.Dial("unix", path) // without a listener
		fits := !errors.Is(err, syscall.EINVAL)
		if (ours == nil) != fits {
			t.Errorf("%d bytes: %v here, %v over package net", n, ours, err)
		}
	}
}

// Which names of one port clash is the system's to say: package net's tables
// of listeners on IPv4, IPv6 and both.
func TestLikeNetListeners(t *testing.T) {
	const both, four, six = "both", "IPv4", "IPv6"
	wild := map[string]string{both: "[::]:", four: "0.0.0.0:", six: "[::]:"}
	local := map[string]string{four: "127.0.0.1:", six: "[::1]:"}
	open := func(version, host string, port uint16) (*socket.Socket, error) {
		d := socket.Inet6
		if version == four {
			d = socket.Inet
		}
		s, err := socket.New(d, socket.Stream, 0)
		check(t, err)
		t.Cleanup(func() { s.Close() })
		if d == socket.Inet6 {
			check(t, option.V6Only.Set(s, version == six))
		}
		if err := s.Bind(named(fmt.Sprint(host, port))); err != nil {
			return nil, err
		}
		return s, s.Listen(0)
	}
	for _, c := range []struct {
		first, firstHost, second, secondHost string
		clash                                bool
	}{
		{four, wild[four], four, wild[four], true},
		{six, wild[six], six, wild[six], true},
		{four, wild[four], six, wild[six], false},
		{six, wild[six], four, wild[four], false},
		{both, wild[both], four, wild[four], true},
		{both, wild[both], six, wild[six], true},
		{four, wild[four], both, wild[both], true},
		{both, wild[both], both, wild[both], true},
		{four, local[four], six, local[six], false},
		{four, local[four], four, wild[four], true},
		{both, wild[both], four, local[four], true},
		{six, wild[six], six, local[six], true},
		{six, local[six], four, wild[four], false},
	} {
		first, err := open(c.first, c.firstHost, 0)
		check(t, err)
		port := first.Name().AddrPort().Port()
		second, err := open(c.second, c.secondHost, port)
		if c.clash {
			wantError(t, fmt.Sprintf("%s%d after %s", c.secondHost, port, c.firstHost), err, syscall.EADDRINUSE)
			check(t, first.Close())
			second, err = open(c.second, c.secondHost, port)
		}
		// A port that another program took meanwhile would tell nothing.
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) || err != nil && c.clash {
			t.Errorf("%s%d beside or after %s: %v", c.secondHost, port, c.firstHost, err)
		}
		if second != nil {
			second.Close()
		}
		first.Close()
	}
}

// An IPv4 address is one in its 16 bytes too, as net.ParseIP gives it.
func TestLikeNetMappedIPv4(t *testing.T) {
	type conn interface {
		net.PacketConn
		WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
		WriteMsgUDPAddrPort(b, oob []byte, addr netip.AddrPort) (n, oobn int, err error)
		WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	}
	eachLibrary(t, []string{"udp4"}, func(t *testing.T, l library, network string) {
		from, to := l.packet(t, network, "127.0.0.1:0").(conn), l.packet(t, network, "127.0.0.1:0")
		long := net.UDPAddr{IP: net.ParseIP("127.0.0.1").To16(), Port: to.LocalAddr().(*net.UDPAddr).Port}
		mapped := netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.0.0.1"), uint16(long.Port))
		for what, write := range map[string]func() error{
			"WriteTo":             func() error { _, err := from.WriteTo([]byte("hola"), &long); return err },
			"WriteMsgUDP":         func() error { _, _, err := from.WriteMsgUDP([]byte("hola"), nil, &long); return err },
			"WriteToUDPAddrPort":  func() error { _, err := from.WriteToUDPAddrPort([]byte("hola"), mapped); return err },
			"WriteMsgUDPAddrPort": func() error { _, _, err := from.WriteMsgUDPAddrPort([]byte("hola"), nil, mapped); return err },
		} {
			if err := write(); err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			b := make([]byte, 10)
			n, _, err := to.ReadFrom(b)
			check(t, err)
			if string(b[:n]) != "hola" {
				t.Errorf("%s: %q arrived", what, b[:n])
			}
		}
	})
}
