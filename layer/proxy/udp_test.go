package proxy_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// parrot answers each datagram with the same, in capitals.
func parrot(t testing.TB, at string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Skip(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(bytes.ToUpper(b[:n]), from)
		}
	}()
	return c.LocalAddr().String()
}

// Datagrams keep their boundaries through a proxy, of every size that has room.
func TestUDP(t *testing.T) {
	at := running(t, "proxy-listen:127.0.0.1:0")
	to := parrot(t, "127.0.0.1:0")
	for _, to := range []string{to, strings.Replace(to, "127.0.0.1", "localhost", 1)} {
		s := dial(t, "socks5+udp:"+at+",to="+to)
		if p := s.Properties(); !p.Bounded || s.Kind().Layers != "socks5" {
			t.Errorf("%v has %+v", s.Kind(), p)
		}
		s.SetDeadline(time.Now().Add(patience))
		b := make([]byte, 1<<16)
		for _, size := range []int{1, 0, 3, 1400, 9000, 65000} {
			sent := bytes.Repeat([]byte("x"), size)
			if n, err := s.Write(sent); n != size || err != nil {
				t.Fatalf("%d of %d bytes, %v", n, size, err)
			}
			n, err := s.Read(b)
			if !bytes.Equal(b[:n], bytes.ToUpper(sent)) || err != nil {
				t.Fatalf("of %d bytes came %d, %v", size, n, err)
			}
		}
		s.Write([]byte("long"))
		if n, err := s.Read(b[:2]); string(b[:n]) != "LO" || err == nil {
			t.Errorf("%q, %v", b[:n], err)
		}
		s.Close()
	}
}

// Through a relay, and through two proxies' worth of sessions.
func TestUDPRelayed(t *testing.T) {
	at := running(t, "udp-listen:127.0.0.1:0", "socks5+udp:"+running(t, "socks-listen:127.0.0.1:0")+",to="+parrot(t, "127.0.0.1:0"))
	for range 3 {
		s := dial(t, "udp:"+at)
		defer s.Close()
		s.SetDeadline(time.Now().Add(patience))
		s.Write([]byte("hola"))
		b := make([]byte, 100)
		if n, err := s.Read(b); string(b[:n]) != "HOLA" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
}

// associate asks for an association by hand.
func associate(t *testing.T, at string) (control net.Conn, relay *net.UDPAddr) {
	t.Helper()
	control = plain(t, at)
	control.Write([]byte("\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"))
	var answer [12]byte
	if _, err := io.ReadFull(control, answer[:]); err != nil || string(answer[:6]) != "\x05\x00\x05\x00\x00\x01" {
		t.Fatalf("%q, %v", answer, err)
	}
	return control, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte(answer[6:])), binary.BigEndian.Uint16(answer[10:])))
}

// head is what comes before a datagram's data.
func head(to string) []byte {
	a := netip.MustParseAddrPort(to)
	b := append([]byte{0, 0, 0, 1}, a.Addr().AsSlice()...)
	if a.Addr().Is6() {
		b[3] = 4
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// What is no datagram with a place to go to is dropped, and what is allowed goes to any
// number of places; the association ends with its connection.
func TestUDPByHand(t *testing.T) {
	six, four, forbidden := parrot(t, "[::1]:0"), parrot(t, "127.0.0.1:0"), parrot(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(forbidden)
	at := running(t, "socks-listen:127.0.0.1:0,advertise=127.0.0.1,deny-to=127.0.0.1:"+port)
	control, relay := associate(t, at)
	c, err := net.DialUDP("udp", nil, relay)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	good := append(head(four), "hola"...)
	fragment := append([]byte{0, 0, 1}, good[3:]...)
	for _, bad := range [][]byte{nil, {0}, good[:5], good[:9], fragment, append(head(forbidden), "no"...), []byte("\x00\x00\x00\x07lala"),
		[]byte("\x00\x00\x00\x03\x04a\nb.\x00\x35no")} {
		c.Write(bad)
	}
	b := make([]byte, 100)
	for _, to := range []string{four, six, four} {
		sent := append(head(to), "hola"...)
		c.Write(sent)
		if n, err := c.Read(b); !bytes.Equal(b[:n], bytes.ToUpper(append(head(to), "hola"...))) && !bytes.Equal(b[:n], append(head(to), "HOLA"...)) || err != nil {
			t.Fatalf("%q came, %v", b[:n], err)
		}
	}
	// Another program of the client's host has no part in it.
	other, err := net.DialUDP("udp", nil, relay)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.Write(good)
	other.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := other.Read(b); !os.IsTimeout(err) {
		t.Errorf("another was served: %q, %v", b[:n], err)
	}
	control.Close()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		c.Write(good)
		if _, err := c.Read(b); err != nil && !os.IsTimeout(err) {
			break // refused by ICMP: nobody is bound there any more
		} else if time.Now().After(end) {
			t.Fatal("the association goes on without its connection")
		}
	}
}

// A client whose proxy ends the association reads the end of it.
func TestUDPEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 100)
		c.Read(b)
		c.Write([]byte{5, 0})
		c.Read(b)
		c.Write([]byte("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x09"))
	}()
	s := dial(t, "socks5+udp:"+l.Addr().String()+",to=127.0.0.1:9")
	defer s.Close()
	s.SetDeadline(time.Now().Add(patience))
	if peer := s.Peer().AddrPort(); peer.Port() != 9 || peer.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("datagrams go to %v", peer)
	}
	if n, err := s.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

func TestUDPRefused(t *testing.T) {
	at := running(t, "socks-listen:127.0.0.1:0", "tcp:"+greeter(t))
	fails(t, "socks5+udp:"+at+",to=127.0.0.1:9", "it does not support the command")
	fails(t, "socks4+udp:127.0.0.1:1,to=127.0.0.1:9", "socks4: it cannot go over udp")
	fails(t, "connect+udp:127.0.0.1:1,to=127.0.0.1:9", "connect: it cannot go over udp")
}
