package iso

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"zocalo/socket"
)

// readPacket reads one TPKT, as hexadecimal digits; "" at the end.
func readPacket(t testing.TB, c net.Conn) string {
	t.Helper()
	h := make([]byte, 4)
	if _, err := io.ReadFull(c, h); err != nil {
		if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading a TPKT: %v", err)
		}
		return ""
	}
	b := make([]byte, int(h[2])<<8|int(h[3])-4)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Errorf("reading a TPDU: %v", err)
	}
	return hex.EncodeToString(append(h, b...))
}

func send(t testing.TB, c net.Conn, digits string) {
	t.Helper()
	if _, err := c.Write(unhex(t, digits)); err != nil {
		t.Errorf("Write: %v", err)
	}
}

const (
	crS7 = "0300001611e00000000100c1020100c2020101c0010a"
	dt32 = "0300000802f08032"
)

// TestListenerAnswers has a listener answer what it is sent, byte by byte;
// only the reference is of its choice.
func TestListenerAnswers(t *testing.T) {
	for _, c := range []struct{ name, sent, want string }{
		{"S7, as observed", crS7, "0300001611d00001....00c1020100c2020101c0010a"},
		{"the reserved byte set", "03ff001611e00000000100c1020100c2020101c0010a", "0300001611d00001....00c1020100c2020101c0010a"},
		{"a source reference of 0", "0300001611e00000000000c1020100c2020101c0010a", "0300001611d00000....00c1020100c2020101c0010a"},
		{"another order", "0300001611e00000000100c0010ac2020101c1020100", "0300001611d00001....00c1020100c2020101c0010a"},
		{"a TPDU size of 65536", "0300001611e00000000100c1020100c2020101c00110", "0300001611d00001....00c1020100c2020101c0010d"},
		{"no TPDU size", "030000130ee00000000100c1020100c2020101", "0300001611d00001....00c1020100c2020101c0010d"},
		{"parameters that nobody knows", "0300001914e00000000100c1020100c2020101c0010a9901ff", "0300001611d00001....00c1020100c2020101c0010a"},
		{"S7 routing", "0300001c17e00000000100c1020100c2020101c0010ac604ffffffff", "0300001611d00001....00c1020100c2020101c0010a"},
		{"expedited data, which the listener does not want", "0300001914e00000000100c1020100c2020101c0010ac60101", "0300001611d00001....00c1020100c2020101c0010a"},
		{"class 2 with class 0 as an alternative", "0300001914e00000000120c1020100c2020101c0010ac70100", "0300001611d00001....00c1020100c2020101c0010a"},
		{"class 2 alone", "0300001611e00000000120c1020100c2020101c0010a", "0300000b06800001000082"},
		{"class 4 alone", "0300001611e10000000140c1020100c2020101c0010a", "0300000b06800001000082"},
		{"a selector that nobody has", "0300001611e00000000100c1020100c2020102c0010a", "0300000b06800001000003"},
		{"no selector", "0300000e09e00000000100c0010a", "0300000b06800001000003"},
		{"a size that there is not", "0300001611e00000000100c1020100c2020101c00106", "ER"},
		{"a parameter beyond the header", "0300001611e00000000100c1020100c2020101c0020a", "ER"},
		{"another protocol", hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n")), ""},
		{"data before a connection", dt32, ""},
		{"a packet without end", "03000005" + "00", ""},
		{"a packet of 60000 bytes", "0300ea60" + strings.Repeat("00", 100), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := listen(t, socket.SeqPacket, "\x01\x01")
			conn := rawClient(t, l)
			send(t, conn, c.sent)
			got := readPacket(t, conn)
			if c.want == "ER" {
				// An ER, with the header up to what is wrong in it.
				if !strings.HasPrefix(got[8:], got[8:10]+"70000103c1") {
					t.Errorf("the answer is %s, want an ER for cause 3", got)
				}
				if rejected := got[22:]; !strings.HasPrefix(c.sent[8:], rejected) || len(rejected) < 20 {
					t.Errorf("the ER %s rejects %s of %s", got, rejected, c.sent[8:])
				}
				if rest := readPacket(t, conn); rest != "" {
					t.Errorf("after the ER comes %s, want the end", rest)
				}
				return
			}
			if len(got) == len(c.want) && strings.Contains(c.want, "....") {
				if got[16:20] == "0000" {
					t.Error("the source reference of the answer is 0")
				}
				got = got[:16] + "...." + got[20:]
			}
			if got != c.want {
				t.Errorf("the answer is %q, want %q", got, c.want)
			}
			if !strings.Contains(c.want, "....") {
				if rest := readPacket(t, conn); rest != "" {
					t.Errorf("after %s comes %s, want the end", got, rest)
				}
				return
			}
			s := accept(t, l)
			if SelectorOf(s.Name()) != "\x01\x01" || AddrPort(s.Peer()).String() != conn.LocalAddr().String() {
				t.Errorf("it is %v, and the peer %v", s.Name(), s.Peer())
			}
			send(t, conn, dt32)
			b := make([]byte, 10)
			if n, err := s.Read(b); n != 1 || err != nil || b[0] != 0x32 {
				t.Errorf("Read = %d, %v", n, err)
			}
			s.Write([]byte("ok"))
			if got := readPacket(t, conn); got != "0300000902f0806f6b" {
				t.Errorf("ok is written as %s", got)
			}
		})
	}
}

// TestRequests tests the bytes of a client's connection request.
func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name   string
		called Selector
		change func(*socket.Socket)
		want   string
	}{
		{"a selector", "\x01\x02", nil, "0300001611e00000....00c1020100c2020102c0010d"},
		{"both", "\x01\x02", with(CallingSelector, Selector("abc")), "0300001712e00000....00c103616263c2020102c0010d"},
		{"none", "", nil, "0300000e09e00000....00c0010d"},
		{"none of its own", "\x01\x02", with(CallingSelector, Selector("")), "030000120de00000....00c2020102c0010d"},
		{"tpdu=1024", "\x01\x02", with(TPDUSize, 1024), "0300001611e00000....00c1020100c2020102c0010a"},
		{"tpdu=65531", "\x01\x02", with(TPDUSize, 65531), "030000130ee00000....00c1020100c2020102"},
		{"expedited", "\x01\x02", with(Expedited, true), "0300001914e00000....00c1020100c2020102c0010dc60101"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			s := opened(t, socket.SeqPacket)
			if c.change != nil {
				c.change(s)
			}
			done := make(chan error, 1)
			go func() {
				done <- s.Connect(t.Context(), mustName(t, netip.MustParseAddrPort(l.Addr().String()), c.called))
			}()
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			got := readPacket(t, conn)
			if got[16:20] == "0000" {
				t.Error("the source reference is 0")
			}
			if got = got[:16] + "...." + got[20:]; got != c.want {
				t.Errorf("the request is %s, want %s", got, c.want)
			}
			send(t, conn, "0300000b06d00001000200")
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRefusals has a server refuse a client in every way.
func TestRefusals(t *testing.T) {
	answer := func(digits string) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) { readPacket(t, c); send(t, c, digits) }
	}
	type refused struct {
		name  string
		serve func(*testing.T, net.Conn)
		is    []error
		text  []string
	}
	cases := []refused{
		{"FIN", func(t *testing.T, c net.Conn) { readPacket(t, c); c.Close() },
			[]error{syscall.ECONNREFUSED, io.EOF}, []string{"without an answer", "selector may be wrong (tsap=)"}},
		{"RST", func(t *testing.T, c net.Conn) { readPacket(t, c); c.(*net.TCPConn).SetLinger(0); c.Close() },
			[]error{syscall.ECONNREFUSED, syscall.ECONNRESET}, []string{"without an answer", "selector may be wrong (tsap=)"}},
		{"half an answer", func(t *testing.T, c net.Conn) { readPacket(t, c); send(t, c, "0300000e09d0"); c.Close() },
			[]error{syscall.ECONNREFUSED}, []string{"without an answer"}},
		{"ER", answer("0300000d08700001" + "03c10206e0"), []error{syscall.ECONNREFUSED, syscall.EPROTO}, []string{"a parameter's value", "06 e0"}},
		{"DT", answer(dt32), []error{syscall.EPROTO}, []string{"a DT came in answer"}},
		{"class 2", answer("0300000b06d00001000220"), []error{syscall.EPROTO}, []string{"class 2"}},
		{"another protocol", answer(hex.EncodeToString([]byte("SSH-2.0-OpenSSH\r\n"))), []error{syscall.EPROTO}, []string{"what answers is not ISO transport"}},
		{"garbage in a packet", answer("0300000b06ff0001000220"), []error{syscall.EPROTO}, nil},
		{"a DR with data", answer("0300000e06800001000088627965"), []error{syscall.ECONNREFUSED}, []string{"connection request refused"}},
		{"an unknown reason", answer("0300000b0680000100004d"), []error{syscall.ECONNREFUSED}, []string{"reason 77"}},
	}
	for r, known := range reasons {
		is := []error{syscall.ECONNREFUSED}
		if known.kin != 0 {
			is = append(is, known.kin)
		}
		cases = append(cases, refused{"DR " + r.String(), answer("0300000b068000010000" + hex.EncodeToString([]byte{byte(r)})), is,
			[]string{known.text, known.advice}})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := rawServer(t, socket.SeqPacket, func(conn net.Conn) { c.serve(t, conn) })
			if err == nil {
				t.Fatal("it is connected")
			}
			for _, is := range c.is {
				if !errors.Is(err, is) {
					t.Errorf("%v is not %v", err, is)
				}
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not say %q", err, text)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
			var r *RefusedError
			if errors.As(err, &r) && c.name == "a DR with data" && (!r.Answered || r.Reason != RequestRefused || string(r.Data) != "bye") {
				t.Errorf("the refusal is %+v", r)
			}
			if n, err := s.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.ENOTCONN) {
				t.Errorf("Write on a socket that was refused = %d, %v", n, err)
			}
			if err := s.Connect(t.Context(), s.Peer()); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("a second Connect: %v", err)
			}
		})
	}
}

// TestConnectInterrupted has a server that takes TCP connections and never
// answers.
func TestConnectInterrupted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := mustName(t, netip.MustParseAddrPort(l.Addr().String()), "x")
	for _, c := range []struct {
		name string
		end  func(*socket.Socket, context.CancelFunc)
		want error
	}{
		{"context", func(_ *socket.Socket, cancel context.CancelFunc) { cancel() }, context.Canceled},
		{"deadline", func(s *socket.Socket, _ context.CancelFunc) { s.SetWriteDeadline(longAgo) }, os.ErrDeadlineExceeded},
		{"close", func(s *socket.Socket, _ context.CancelFunc) { s.Close() }, net.ErrClosed},
	} {
		for _, early := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s := opened(t, socket.SeqPacket)
				if early {
					c.end(s, cancel)
				}
				done := make(chan error, 1)
				go func() { done <- s.Connect(ctx, to) }()
				if !early {
					conn, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					readPacket(t, conn) // the request has come: now it waits
					c.end(s, cancel)
				}
				if err := <-done; !errors.Is(err, c.want) {
					t.Errorf("Connect: %v, want %v", err, c.want)
				}
			})
		}
	}
	if err := opened(t, socket.SeqPacket).Connect(t.Context(), socket.VSockName(1, 1)); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("Connect to a vsock name: %v", err)
	}
}

// TestNobody connects where no TCP port is open.
func TestNobody(t *testing.T) {
	l := listen(t, socket.SeqPacket, "")
	to := l.Name()
	l.Close()
	if err := opened(t, socket.SeqPacket).Connect(t.Context(), to); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Connect: %v, want ECONNREFUSED", err)
	}
}

// TestNegotiation has both sides settle on the lesser size of TPDUs, and stay
// within it.
func TestNegotiation(t *testing.T) {
	for _, c := range []struct{ client, server, want int }{
		{8192, 8192, 8192}, {8192, 65531, 8192}, {65531, 8192, 8192}, {65531, 65531, 65531}, {128, 8192, 128}, {2048, 512, 512},
	} {
		l := listen(t, socket.SeqPacket, "n", with(TPDUSize, c.server))
		a := dial(t, socket.SeqPacket, l.Name(), with(TPDUSize, c.client))
		b := accept(t, l)
		for _, s := range []*socket.Socket{a, b} {
			if got, err := TPDUSize.Get(s); got != c.want || err != nil {
				t.Errorf("%d and %d settle on %d, %v, want %d", c.client, c.server, got, err, c.want)
			}
		}
		var out, in int
		socket.SetTrace(func(call socket.Call) {
			if call.Name == traceOut {
				out = max(out, call.Result)
			} else {
				in = max(in, call.Result)
			}
		})
		data := bytes.Repeat([]byte("0123456789"), 20000)
		go a.Write(data)
		got := make([]byte, len(data)+1)
		n, err := b.Read(got)
		socket.SetTrace(nil)
		if err != nil || !bytes.Equal(got[:n], data) {
			t.Errorf("Read of %d bytes = %d, %v", len(data), n, err)
		}
		if in != c.want {
			t.Errorf("the largest TPDU had %d bytes, and %d were agreed on", in, c.want)
		}
	}
	for _, n := range []int{0, 64, 100, 8193, 16384, 65532} {
		if err := TPDUSize.Set(opened(t, socket.SeqPacket), n); err == nil {
			t.Errorf("a TPDU size of %d is accepted", n)
		}
	}
	a, _ := connectedPair(t, socket.SeqPacket)
	if err := TPDUSize.Set(a, 128); !errors.Is(err, syscall.EISCONN) {
		t.Errorf("the TPDU size of a connection can be set: %v", err)
	}
}
