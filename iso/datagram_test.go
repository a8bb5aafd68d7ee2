package iso

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
)

// bound returns a datagram socket with a name.
func bound(t testing.TB, s Selector, change ...func(*socket.Socket)) *socket.Socket {
	t.Helper()
	d := opened(t, socket.Datagram)
	for _, f := range change {
		f(d)
	}
	if err := d.Bind(mustName(t, loopback, s)); err != nil {
		t.Fatal(err)
	}
	patient(d)
	return d
}

// udp returns a UDP socket that knows nothing of TPDUs, which sends to d.
func udp(t testing.TB, d *socket.Socket) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(AddrPort(d.Name())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// TestDatagramWire tests the bytes, both ways.
func TestDatagramWire(t *testing.T) {
	for _, c := range []struct {
		name     string
		checksum bool
		want     string
	}{
		{"without checksum", false, "0740c10161c201626869"},
		{"with checksum", true, "0b40c10161c20162c3024f836869"},
	} {
		d := bound(t, "a", with(Checksum, c.checksum))
		conn := udp(t, d)
		to := mustName(t, conn.LocalAddr().(*net.UDPAddr).AddrPort(), "b")
		m := socket.Message{Buffers: [][]byte{[]byte("h"), nil, []byte("i")}, Peer: to}
		if n, err := d.Send(&m); n != 2 || err != nil {
			t.Errorf("Send = %d, %v", n, err)
		}
		b := make([]byte, 100)
		n, err := conn.Read(b)
		if err != nil || !bytes.Equal(b[:n], unhex(t, c.want)) {
			t.Errorf("%s: hi is written as %x, %v, want %s", c.name, b[:n], err, c.want)
		}
		// The answer goes to the sender by the name that Receive tells.
		conn.Write(unhex(t, "0740c10162c20161"+"796f"))
		m = socket.Message{Buffers: [][]byte{b}}
		if err := d.Receive(&m); err != nil || string(b[:m.N]) != "yo" || m.Peer != to {
			t.Errorf("Receive: %q from %v, %v, want it from %v", b[:m.N], m.Peer, err, to)
		}
	}
}

// TestDatagramDrops has what is wrong, or for somebody else, pass for lost.
func TestDatagramDrops(t *testing.T) {
	d := bound(t, "b")
	conn := udp(t, d)
	for _, digits := range []string{
		"",                                 // nothing
		"00",                               // no TPDU
		"02f08032",                         // a DT
		"0440c1016168",                     // no destination
		"0440c2016268",                     // no source
		"0740c10161c201" + "636869",        // another selector
		"0b40c10161c20162c3024f846869",     // a wrong checksum
		"0b40c10161c20162c3024f836868",     // wrong data
		"0a40c10161c20162c3014f6869",       // half a checksum
		"ff40c10161c201626869",             // the reserved length indicator
		"0740c10161c20162" + "67" + "6f6f", // this one is right
	} {
		conn.Write(unhex(t, digits))
	}
	b := make([]byte, 10)
	if n, err := d.Read(b); err != nil || string(b[:n]) != "goo" {
		t.Errorf("Read: %q, %v, want the only one that is right", b[:n], err)
	}
	d.SetReadDeadline(longAgo)
	if _, err := d.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v, and nothing more should come", err)
	}
}

// TestDatagramSelectors has a socket without selector take all, and a
// connected one only its peer's.
func TestDatagramSelectors(t *testing.T) {
	wild, one, two := bound(t, ""), bound(t, "1"), bound(t, "2")
	b := make([]byte, 10)
	to := mustName(t, AddrPort(wild.Name()), "whoever")
	if _, err := one.Send(&socket.Message{Buffers: [][]byte{[]byte("x")}, Peer: to}); err != nil {
		t.Fatal(err)
	}
	m := socket.Message{Buffers: [][]byte{b}, Flags: socket.Peek}
	for range 2 {
		if err := wild.Receive(&m); err != nil || m.Peer != one.Name() || string(b[:m.N]) != "x" {
			t.Errorf("Receive: %q from %v, %v", b[:m.N], m.Peer, err)
		}
		m.Flags = 0
	}
	if err := wild.Connect(t.Context(), two.Name()); err != nil {
		t.Fatal(err)
	}
	two.Send(&socket.Message{Buffers: [][]byte{[]byte("y")}, Peer: wild.Name()})
	if n, err := wild.Read(b); err != nil || string(b[:n]) != "y" {
		t.Errorf("Read: %q, %v", b[:n], err)
	}
	if n, err := wild.Write([]byte("back")); n != 4 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	if n, err := two.Read(b); err != nil || string(b[:n]) != "back" {
		t.Errorf("Read: %q, %v", b[:n], err)
	}
	if _, err := one.Write([]byte("x")); !errors.Is(err, syscall.EDESTADDRREQ) {
		t.Errorf("Write without a peer: %v", err)
	}
	if _, err := one.Send(&socket.Message{Peer: socket.VSockName(1, 1)}); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("Send to a vsock name: %v", err)
	}
}

func TestDatagramNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	a, b := bound(t, "alpha", with(Checksum, true)), bound(t, "beta")
	out := socket.Message{Buffers: [][]byte{make([]byte, 500)}, Peer: b.Name()}
	in := socket.Message{Buffers: [][]byte{make([]byte, 1000)}}
	pass := func() {
		a.Send(&out)
		if err := b.Receive(&in); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	if n := testing.AllocsPerRun(200, pass); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

// FuzzDatagram feeds a socket arbitrary bytes.
func FuzzDatagram(f *testing.F) {
	f.Add(unhex(f, "0b40c10161c20162c3024f836869"))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if len(bytes) > largestDatagram {
			return
		}
		d := bound(t, "b")
		conn := udp(t, d)
		conn.Write(bytes)
		conn.Write(unhex(t, "0740c10161c20162"+"676f6f"))
		b := make([]byte, 1<<16)
		for {
			n, err := d.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if string(b[:n]) == "goo" {
				break
			}
			if n > len(bytes) {
				t.Errorf("%d bytes of data in a datagram of %d", n, len(bytes))
			}
		}
		d.Close()
		conn.Close()
	})
}
