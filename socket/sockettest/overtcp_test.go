package sockettest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
)

var loopback = socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))

var toyListener = listening(Toy, socket.SeqPacket, func() socket.Name { return upperName(loopback) })

func TestToy(t *testing.T) {
	t.Run("Messages", func(t *testing.T) {
		TestMessages(t, connected(toyListener), Largest(LargestToy), TooLarge(LargestToy+1))
	})
	t.Run("Listener", func(t *testing.T) { TestListener(t, toyListener) })
}

// TestToyOptions shows that an option of TCP reaches it through the layer.
func TestToyOptions(t *testing.T) {
	s := open(t, Toy, socket.SeqPacket)
	for _, on := range []bool{true, false} {
		if err := socket.NoDelay.Set(s, on); err != nil {
			t.Fatal(err)
		}
		if got, err := socket.NoDelay.Get(s); got != on || err != nil {
			t.Errorf("nodelay is %t, %v, want %t", got, err, on)
		}
	}
	if _, ok := socket.As[socket.Descriptor](s); ok {
		t.Error("the descriptor beneath is taken for the endpoint's own")
	}
	if _, ok := socket.Beneath[socket.Descriptor](s); !ok {
		t.Error("no descriptor beneath")
	}
}

func TestToyScheme(t *testing.T) {
	s, ok := socket.LookupScheme("toy")
	if !ok || len(s.Options) == 0 {
		t.Fatalf("scheme toy: %t, with %d options", ok, len(s.Options))
	}
	list, err := s.Resolve(t.Context(), socket.Target{Endpoint: "127.0.0.1:5346"})
	if err != nil || len(list) != 1 || list[0].Domain() != Toy || list[0].String() != "127.0.0.1:5346" {
		t.Errorf("toy:127.0.0.1:5346 is %v, %v", list, err)
	}
	if _, err := s.Resolve(t.Context(), socket.Target{Endpoint: "[::1]:5346"}); err == nil {
		t.Error("an IPv6 address is accepted")
	}
	if _, err := ToyName(socket.VSockName(1, 1)); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("the name of a vsock socket in domain toy: %v", err)
	}
	if err := open(t, Toy, socket.SeqPacket).Bind(loopback); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("bind to a name of domain inet: %v", err)
	}
}

// wire returns a toy socket and the TCP socket at its other end.
func wire(t *testing.T) (*socket.Socket, *socket.Socket) {
	t.Helper()
	l, _, stop, err := toyListener()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	lower, err := lowerName(l.Name())
	if err != nil {
		t.Fatal(err)
	}
	tcp := open(t, socket.Inet, socket.Stream)
	if err := tcp.Connect(t.Context(), lower); err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, s := range []*socket.Socket{s, tcp} {
		s.SetDeadline(time.Now().Add(10 * time.Second))
	}
	return s, tcp
}

func TestToyWire(t *testing.T) {
	for _, c := range []struct {
		name     string
		sent     string
		messages []string
		end      error
	}{
		{"messages and the end", "\x00\x00\x00\x02hi\x01\x00\x00\x00\x00\x01\xff\xff\xff\xff", []string{"hi", ""}, io.EOF},
		{"one given up", "\x00\x00\x00\x02hi\x00\x00\x00\x00\x01x\x01\xff\xff\xff\xff", []string{"x"}, io.EOF},
		{"lost between messages", "\x00\x00\x00\x02hi\x01", []string{"hi"}, syscall.ECONNRESET},
		{"lost in a message", "\x00\x00\x00\x02h", nil, syscall.ECONNRESET},
		{"lost in a length", "\x00\x00", nil, syscall.ECONNRESET},
		{"lost at once", "", nil, syscall.ECONNRESET},
		{"too long", "\x00\x10\x00\x01", nil, syscall.EPROTO},
		{"no verdict", "\x00\x00\x00\x02hi\x02", nil, syscall.EPROTO},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, tcp := wire(t)
			tcp.Write([]byte(c.sent))
			tcp.CloseWrite()
			b := make([]byte, 10)
			for _, want := range c.messages {
				if n, err := s.Read(b); string(b[:n]) != want || err != nil {
					t.Errorf("Read: %q, %v, want %q", b[:n], err, want)
				}
			}
			for range 2 {
				if n, err := s.Read(b); n != 0 || !errors.Is(err, c.end) {
					t.Errorf("Read = %d, %v, want 0, %v", n, err, c.end)
				}
			}
		})
	}
}

// TestToyHalfRead lets a deadline pass after each octet of a message.
func TestToyHalfRead(t *testing.T) {
	s, tcp := wire(t)
	b := make([]byte, 10)
	for _, octet := range []byte("\x00\x00\x00\x05hello\x01") {
		s.SetReadDeadline(time.Now().Add(time.Millisecond))
		if n, err := s.Read(b); n != 0 || !timedOut(err) {
			t.Fatalf("Read of a part of a message = %d, %v, want 0, os.ErrDeadlineExceeded", n, err)
		}
		tcp.Write([]byte{octet})
	}
	s.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := s.Read(b); string(b[:n]) != "hello" || err != nil {
		t.Errorf("Read: %q, %v", b[:n], err)
	}
}

// fillUp sends to a peer that does not read, until nothing more fits,
// which in all likelihood is in the middle of a message. It returns how many messages
// were sent.
func fillUp(t *testing.T, s *socket.Socket) (sent int) {
	t.Helper()
	e := s.Unwrap().(*toy)
	for full := false; !full; {
		owed, message := e.owed, content(uint64(sent), LargestToy)
		// Long enough for a busy machine to get to the write at all.
		s.SetWriteDeadline(time.Now().Add(250 * time.Millisecond))
		n, err := s.Write(message)
		switch {
		case err == nil:
			sent++
		case n != 0 || !timedOut(err):
			t.Fatalf("Write = %d, %v, want 0, os.ErrDeadlineExceeded", n, err)
		default:
			full = e.owed == owed
		}
	}
	return sent
}

// TestToyHalfWrite lets a deadline pass in the middle of a message that
// nobody reads: it never counts, and the next one does.
func TestToyHalfWrite(t *testing.T) {
	s, tcp := wire(t)
	sent := fillUp(t, s)
	s.SetWriteDeadline(time.Now().Add(10 * time.Second))
	done := make(chan error, 1)
	go func() {
		_, err := s.Write([]byte("next"))
		done <- errors.Join(err, s.Close())
	}()
	var got [][]byte
	var header [toyHeader]byte
	for {
		if _, err := io.ReadFull(tcp, header[:]); err != nil {
			t.Fatal(err)
		}
		size := binary.BigEndian.Uint32(header[:])
		if size == toyEnd {
			break
		}
		b := make([]byte, size+1)
		if _, err := io.ReadFull(tcp, b); err != nil {
			t.Fatal(err)
		}
		if b[size] == toyKeep {
			got = append(got, b[:size])
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(got) != sent+1 || string(got[sent]) != "next" {
		t.Fatalf("%d messages counted, want %d and the next", len(got), sent)
	}
	for i, b := range got[:sent] {
		if diff := difference(b, content(uint64(i), LargestToy)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestToyCloseUnread shows that Close does not wait for a peer that never
// reads, and that this peer can tell.
func TestToyCloseUnread(t *testing.T) {
	s, tcp := wire(t)
	fillUp(t, s)
	s.SetWriteDeadline(time.Time{})
	waiting := make(chan error, 1)
	go func() { _, err := s.Write([]byte("more")); waiting <- err }()
	settle()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write ended by Close: %v, want net.ErrClosed", err)
	}
	if _, err := io.Copy(io.Discard, tcp); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads on to %v, want ECONNRESET", err)
	}
}

func TestToyConnectInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := open(t, Toy, socket.SeqPacket).Connect(ctx, upperName(loopback))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Connect with a context that is over: %v", err)
	}
	// A port that was just free: nobody listens.
	l, _, stop, err := toyListener()
	if err != nil {
		t.Fatal(err)
	}
	name := l.Name()
	stop()
	if err := open(t, Toy, socket.SeqPacket).Connect(t.Context(), name); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Connect where nobody listens: %v, want ECONNREFUSED", err)
	}
}

func FuzzToy(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02hi\x01\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x00\x02hi\x00\x00\x10\x00\x01"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		a, b, err := socket.Pair(Memory, socket.Stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(wire) > queueOctets {
			return
		}
		a.Write(wire)
		a.Close()
		e := overTCP(b) // any stream does
		defer b.Close()
		buffer := make([]byte, LargestToy)
		left := len(wire)
		for {
			n, err := e.Read(buffer)
			if err != nil {
				if n != 0 {
					t.Errorf("Read = %d, %v", n, err)
				}
				return
			}
			if left -= toyHeader + n + 1; left < 0 {
				t.Fatalf("more octets of messages than the %d that came", len(wire))
			}
		}
	})
}
