package xns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket"
)

// A dodo is the far end of a connection, played by the test on a wire.
type dodo struct {
	wire
	own, peer Addr
	id, to    uint16
}

func (d *dodo) sendSPP(spp SPPHeader, data string) {
	d.t.Helper()
	spp.From, spp.To = d.id, d.to
	d.send(Header{Type: TypeSPP, To: d.peer, From: d.own}, append(spp.Append(nil), data...))
}

// nextSPP returns what the host sends next.
func (d *dodo) nextSPP() (SPPHeader, string) {
	d.t.Helper()
	h, data := d.next()
	if h.Type != TypeSPP {
		d.t.Fatalf("a packet of type %d: %x", h.Type, data)
	}
	spp, rest, err := ParseSPP(data)
	if err != nil {
		d.t.Fatal(err)
	}
	return spp, string(rest)
}

// nextData skips packets without a number.
func (d *dodo) nextData() (SPPHeader, string) {
	for {
		if spp, data := d.nextSPP(); spp.Control&ControlSystem == 0 {
			return spp, data
		}
	}
}

// answered returns a socket of the host that is connected to a dodo, which
// answered from another socket than it was asked at.
func answered(t *testing.T, typ socket.Type, allocation uint16) (*socket.Socket, *dodo) {
	t.Helper()
	h, w := facing(t)
	s := must[*socket.Socket](t)(h.Socket(typ))
	return connectTo(t, s, w, allocation)
}

func connectTo(t *testing.T, s *socket.Socket, w wire, allocation uint16) (*socket.Socket, *dodo) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Connect(t.Context(), Addr{0, idA, SocketCourier}.Name()) }()
	ask, data := w.next()
	spp, _, _ := ParseSPP(data)
	if spp.Control != ControlSystem|ControlSendAck || spp.To != 0 || spp.Sequence != 0 || spp.Ack != 0 || ask.To.Socket != SocketCourier {
		t.Errorf("asked %+v %+v", ask, spp)
	}
	d := &dodo{wire: w, own: Addr{0, idA, 16385}, peer: ask.From, id: 0x9e55, to: spp.From}
	d.sendSPP(SPPHeader{Control: ControlSystem | ControlSendAck, Ack: 1, Allocation: allocation}, "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if a, _ := AddrOf(s.Peer()); a != d.own {
		t.Errorf("the peer is %v, want %v, which answered", a, d.own)
	}
	d.nextSPP()
	return s, d
}

// TestQuirks has the host face what other implementations do.
func TestQuirks(t *testing.T) {
	t.Run("acknowledges one too many", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			for i, text := range []string{"one", "two", "three"} {
				s.Write([]byte(text))
				if spp, data := d.nextData(); int(spp.Sequence) != i || data != text {
					t.Errorf("sent %d %q, want %d %q", spp.Sequence, data, i, text)
				}
				d.sendSPP(SPPHeader{Control: ControlSystem, Ack: uint16(i) + 2, Allocation: uint16(i) + 8}, "")
				synctest.Wait()
			}
			if !d.silent() || engine(s).send.queued() != 0 {
				t.Error("something is not taken as acknowledged")
			}
			s.Abort()
		})
	})
	t.Run("asks as 0xffff, twice", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := facing(t)
			l := must[*socket.Socket](t)(h.Socket(socket.SeqPacket))
			defer l.Close()
			if err := l.Bind(Addr{Socket: 5346}.Name()); err != nil || l.Listen(0) != nil {
				t.Fatal(err)
			}
			d := &dodo{wire: w, own: Addr{0, idA, 5000}, peer: Addr{0, idB, 5346}, id: 77, to: 0xffff}
			ask := func() (Header, SPPHeader) {
				d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 1, Allocation: 7}, "")
				reply, data := d.next()
				spp, _, _ := ParseSPP(data)
				return reply, spp
			}
			reply, spp := ask()
			again, same := ask()
			if reply.From.Socket == 5346 || spp.To != 77 || spp.From == 0 || spp.Control&ControlSystem == 0 {
				t.Errorf("answered %+v %+v", reply, spp)
			}
			if reply.From != again.From || spp != same {
				t.Errorf("a repetition is answered by %v %+v, and the first was by %v %+v", again.From, same, reply.From, spp)
			}
			d.peer, d.to = reply.From, spp.From
			d.sendSPP(SPPHeader{Ack: 1, Allocation: 7, Control: ControlEndOfMessage}, "hello")
			s := must[*socket.Socket](t)(l.Accept(t.Context()))
			b := make([]byte, 10)
			if n, err := s.Read(b); string(b[:n]) != "hello" || err != nil {
				t.Errorf("read %q, %v", b[:n], err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := l.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a second connection: %v", err)
			}
			s.Abort()
		})
	})
	t.Run("marks no ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := facing(t)
			s := must[*socket.Socket](t)(h.Socket(socket.SeqPacket))
			if err := Packets.Set(s, true); err != nil {
				t.Fatal(err)
			}
			_, d := connectTo(t, s, w, 7)
			d.sendSPP(SPPHeader{Sequence: 0, Allocation: 7}, "\x00\x03\x00\x03")
			m := socket.Message{Buffers: [][]byte{make([]byte, 10)}}
			if err := s.Receive(&m); err != nil || m.N != 4 || m.Flags != 0 {
				t.Errorf("received %d, flags %#x, %v", m.N, m.Flags, err)
			}
			s.Abort()
		})
	})
	t.Run("answers with an Error after its close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			d.sendSPP(SPPHeader{Sequence: 0, Datastream: datastreamEnd, Allocation: 7}, "")
			reply, data := d.next()
			for { // until the 255
				if spp, _, _ := ParseSPP(data); spp.Datastream == datastreamEndReply {
					break
				}
				reply, data = d.next()
			}
			quoted := must[[]byte](t)(AppendPacket(nil, reply, data))
			d.send(Header{Type: TypeError, To: Addr{0, idB, SocketError}, From: d.own}, append([]byte{0, errProtocol, 0, 0}, quoted[:errQuoted]...))
			if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read = %d, %v, want io.EOF", n, err)
			}
			s.Close()
		})
	})
}

// TestEnds has the host close, and be closed.
func TestEnds(t *testing.T) {
	t.Run("host first", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			closed := make(chan error, 1)
			go func() { closed <- s.Close() }()
			if spp, data := d.nextData(); spp.Datastream != datastreamEnd || spp.Sequence != 0 || data != "" {
				t.Errorf("closing sent %+v %q", spp, data)
			}
			d.sendSPP(SPPHeader{Datastream: datastreamEndReply, Ack: 1, Allocation: 7}, "")
			if spp, data := d.nextData(); spp.Datastream != datastreamEndReply || spp.Sequence != 1 || spp.Ack != 1 || data != "" {
				t.Errorf("the reply was answered with %+v %q", spp, data)
			}
			d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 2, Allocation: 7}, "")
			begun := time.Now()
			if err := <-closed; err != nil || time.Since(begun) > 0 {
				t.Errorf("Close: %v, after %v more", err, time.Since(begun))
			}
		})
	})
	t.Run("peer first", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			d.sendSPP(SPPHeader{Allocation: 7}, "last")
			d.sendSPP(SPPHeader{Sequence: 1, Datastream: datastreamEnd, Allocation: 7}, "")
			if spp, _ := d.nextData(); spp.Datastream != datastreamEndReply || spp.Ack != 2 {
				t.Errorf("answered with %+v", spp)
			}
			if _, err := s.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Write after the peer's end: %v", err)
			}
			d.sendSPP(SPPHeader{Sequence: 2, Datastream: datastreamEndReply, Ack: 1, Allocation: 7}, "")
			if got, err := io.ReadAll(s); string(got) != "last" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
			begun := time.Now()
			if err := s.Close(); err != nil || time.Since(begun) != 0 {
				t.Errorf("Close: %v, after %v", err, time.Since(begun))
			}
		})
	})
	t.Run("nobody there", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, _ := answered(t, socket.Stream, 7)
			c, begun := engine(s), time.Now()
			if err := s.Close(); err != nil || time.Since(begun) != 250*time.Millisecond {
				t.Errorf("Close: %v, after %v", err, time.Since(begun))
			}
			<-c.gone
			if took := time.Since(begun); took != 15*time.Second {
				t.Errorf("the connection ended after %v", took)
			}
		})
	})
	t.Run("peer's process gone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			c := engine(s)
			d.sendSPP(SPPHeader{Sequence: 0, Datastream: datastreamEnd, Allocation: 7}, "")
			d.nextData() // the 255
			synctest.Wait()
			d.l.Close() // its host leaves the link, and its own 255 never comes
			begun := time.Now()
			s.Close()
			<-c.gone
			if took := time.Since(begun); c.err != nil || took > 5*time.Second {
				t.Errorf("the connection ended after %v: %v", took, c.err)
			}
		})
	})
	t.Run("abort", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			a, b, stop, err := connected(listening(inMemory, socket.Stream, nil))()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			a.Abort()
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read after the peer's Abort: %v", err)
			}
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read after Abort: %v", err)
			}
		})
	})
	t.Run("no half-close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, _ := answered(t, socket.Stream, 7)
			if err := s.Shutdown(socket.ShutdownWrite); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Shutdown: %v", err)
			}
			s.Abort()
		})
	})
}

// TestTimers looks at when the host does what nobody asks it for.
func TestTimers(t *testing.T) {
	t.Run("connect", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := facing(t)
			s := must[*socket.Socket](t)(h.Socket(socket.Stream))
			defer s.Close()
			begun, done := time.Now(), make(chan error, 1)
			go func() { done <- s.Connect(t.Context(), Addr{0, idA, 9}.Name()) }()
			for _, at := range []time.Duration{0, 2, 6, 14, 22, 30, 38, 46, 54, 62, 70} {
				w.next()
				if now := time.Since(begun); now != at*time.Second {
					t.Errorf("asked after %v, want %d s", now, at)
				}
			}
			if err := <-done; !errors.Is(err, syscall.ETIMEDOUT) || time.Since(begun) != connectLimit {
				t.Errorf("Connect: %v, after %v", err, time.Since(begun))
			}
		})
	})
	t.Run("connect's context", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, _ := facing(t)
			s := must[*socket.Socket](t)(h.Socket(socket.Stream))
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Connect(ctx, Addr{0, idA, 9}.Name()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Connect: %v", err)
			}
		})
	})
	t.Run("retransmission", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := facing(t)
			s := must[*socket.Socket](t)(h.Socket(socket.Stream))
			if err := Tries.Set(s, 5); err != nil {
				t.Fatal(err)
			}
			_, d := connectTo(t, s, w, 7)
			begun := time.Now()
			s.Write([]byte("anybody?"))
			for _, at := range []time.Duration{0, 1, 3, 7, 15} {
				if spp, data := d.nextData(); spp.Sequence != 0 || data != "anybody?" || time.Since(begun) != at*time.Second {
					t.Errorf("sent %d %q after %v, want it after %d s", spp.Sequence, data, time.Since(begun), at)
				}
			}
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(begun) != 31*time.Second {
				t.Errorf("Read: %v, after %v", err, time.Since(begun))
			}
			s.Close()
		})
	})
	t.Run("first estimate", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 20)
			s.Write([]byte("lost"))
			d.nextData()
			s.Write([]byte("second"))
			d.nextData()
			time.Sleep(30 * time.Millisecond)
			d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 0, Allocation: 20}, "")
			if spp, _ := d.nextData(); spp.Sequence != 0 { // one is enough to tell, of two
				t.Errorf("sent %d again", spp.Sequence)
			}
			d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 2, Allocation: 20}, "")
			synctest.Wait()
			if srtt := engine(s).send.window.srtt; srtt != 30*time.Millisecond {
				t.Errorf("the estimate is %v: the second packet was sent once", srtt)
			}
			s.Abort()
		})
	})
	t.Run("fast retransmission", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 20)
			begun := time.Now()
			for range 4 {
				s.Write(make([]byte, maxSPPData))
				d.nextData()
			}
			for range 3 {
				d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 0, Allocation: 20}, "")
			}
			if spp, _ := d.nextData(); spp.Sequence != 0 || time.Since(begun) != 0 {
				t.Errorf("sent %d again after %v, want 0 at once", spp.Sequence, time.Since(begun))
			}
			s.Abort()
		})
	})
	t.Run("slow start", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 60)
			go s.Write(make([]byte, 100*maxSPPData))
			acked := uint16(0)
			for _, want := range []int{4, 8, 16} {
				synctest.Wait()
				sent := len(d.l.(*station).frames)
				if sent != want {
					t.Errorf("%d packets at once, want %d", sent, want)
				}
				for range sent {
					d.nextSPP()
				}
				acked += uint16(sent)
				d.sendSPP(SPPHeader{Control: ControlSystem, Ack: acked, Allocation: 60}, "")
			}
			synctest.Wait()
			s.Abort()
		})
	})
	t.Run("persist", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 0xffff) // nothing allowed
			begun := time.Now()
			s.Write([]byte("held"))
			for _, at := range []time.Duration{1, 2, 4} {
				spp, _ := d.nextSPP()
				if spp.Control != ControlSystem|ControlSendAck || time.Since(begun) != at*time.Second {
					t.Errorf("%+v after %v, want a question after %d s", spp, time.Since(begun), at)
				}
			}
			d.sendSPP(SPPHeader{Control: ControlSystem, Allocation: 0}, "")
			if spp, data := d.nextSPP(); spp.Sequence != 0 || data != "held" {
				t.Errorf("sent %d %q", spp.Sequence, data)
			}
			s.Abort()
		})
	})
	t.Run("keepalive", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			begun := time.Now()
			d.nextSPP()
			if time.Since(begun) != 75*time.Second {
				t.Errorf("asked after %v", time.Since(begun))
			}
			d.sendSPP(SPPHeader{Control: ControlSystem, Allocation: 7}, "")
			begun = time.Now()
			for range keepaliveTries {
				d.nextSPP()
			}
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(begun) != 9*75*time.Second {
				t.Errorf("Read: %v after %v", err, time.Since(begun))
			}
			s.Close()
		})
	})
	t.Run("acknowledgement", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s, d := answered(t, socket.Stream, 7)
			begun := time.Now()
			d.sendSPP(SPPHeader{Allocation: 7}, "one") // without asking for one
			if spp, _ := d.nextSPP(); spp.Ack != 1 || time.Since(begun) != ackDelay {
				t.Errorf("acknowledged %d after %v", spp.Ack, time.Since(begun))
			}
			begun = time.Now()
			d.sendSPP(SPPHeader{Sequence: 1, Allocation: 7}, "two")
			d.sendSPP(SPPHeader{Sequence: 2, Allocation: 7}, "three")
			if spp, _ := d.nextSPP(); spp.Ack != 3 || time.Since(begun) != 0 {
				t.Errorf("acknowledged %d after %v", spp.Ack, time.Since(begun))
			}
			s.Abort()
		})
	})
	t.Run("an answer that nobody heard", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h, w := facing(t)
			l := must[*socket.Socket](t)(h.Socket(socket.Stream))
			defer l.Close()
			if err := l.Listen(2); err != nil {
				t.Fatal(err)
			}
			at, _ := AddrOf(l.Name())
			request := func(id uint16) (*dodo, Header, []byte) {
				d := &dodo{wire: w, own: Addr{0, idA, 5000}, peer: at, id: id}
				d.sendSPP(SPPHeader{Control: ControlSystem, Allocation: 7}, "")
				got, data := d.next()
				return d, got, data
			}
			// The oldest gives way, so that all are answered.
			for id := range uint16(5) {
				d, got, data := request(id + 1)
				if got.Type == TypeError {
					t.Errorf("request %d with room for 2 was answered with %+v", id, got)
				}
				if spp, _, _ := ParseSPP(data); id >= 3 { // confirms: these two take the places
					d.peer, d.to = got.From, spp.From
					d.sendSPP(SPPHeader{Ack: 1, Allocation: 7, Control: ControlEndOfMessage}, "x")
					d.nextSPP()
				}
			}
			if _, got, data := request(9); got.Type != TypeError || binary.BigEndian.Uint16(data) != errResourceLimit {
				t.Errorf("a request beyond two that stand was answered with %+v", got)
			}
			for range 2 {
				must[*socket.Socket](t)(l.Accept(t.Context())).Abort()
			}
			time.Sleep(2 * time.Minute)
			h.mu.Lock()
			defer h.mu.Unlock()
			if n := len(h.passive) + len(h.ports); n != 1 {
				t.Errorf("%d things are left, want the listener alone", n)
			}
		})
	})
}

func TestUrgent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, d := answered(t, socket.Stream, 0)
		for _, text := range []string{"a", "b", "c"} {
			s.Write([]byte(text))
		}
		d.nextData() // "a"; the peer takes no more
		if n, err := s.SendUrgent([]byte("x!")); n != 2 || err != nil {
			t.Errorf("SendUrgent = %d, %v", n, err)
		}
		if spp, data := d.nextData(); spp.Control&ControlAttention == 0 || data != "!" || spp.Sequence != 2 {
			t.Errorf("sent %+v %q, want the attention, after what waits", spp, data)
		}
		d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 1, Allocation: 9}, "")
		if spp, data := d.nextData(); spp.Sequence != 1 || data != "bcx" {
			t.Errorf("then sent %d %q", spp.Sequence, data)
		}

		// The other way: urgent data ahead of what is missing before it.
		d.sendSPP(SPPHeader{Sequence: 1, Control: ControlAttention, Ack: 1, Allocation: 9}, "?")
		var o [2]byte
		if n, err := s.ReceiveUrgent(t.Context(), o[:]); n != 1 || o[0] != '?' || err != nil {
			t.Errorf("ReceiveUrgent = %d, %q, %v", n, o[0], err)
		}
		d.sendSPP(SPPHeader{Sequence: 2, Ack: 1, Allocation: 9}, "after")
		d.sendSPP(SPPHeader{Sequence: 0, Ack: 1, Allocation: 9}, "before")
		b := make([]byte, 20)
		synctest.Wait()
		for _, want := range []string{"before", "after"} {
			if at, err := s.AtMark(); at != (want == "after") || err != nil {
				t.Errorf("before %q, AtMark is %t, %v", want, at, err)
			}
			if n, err := s.Read(b); string(b[:n]) != want || err != nil {
				t.Errorf("read %q, %v, want %q", b[:n], err, want)
			}
		}
		s.Abort()
	})
}

// TestLostAttention loses one that went ahead, whose turn then comes when
// nothing else is on its way.
func TestLostAttention(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, d := answered(t, socket.Stream, 0)
		s.Write([]byte("a"))
		s.Write([]byte("b"))
		s.SendUrgent([]byte("!"))
		d.nextData() // "a"
		d.nextData() // the attention, which is lost
		d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 1, Allocation: 1}, "")
		if spp, data := d.nextData(); spp.Sequence != 1 || data != "b" {
			t.Errorf("sent %d %q", spp.Sequence, data)
		}
		d.sendSPP(SPPHeader{Control: ControlSystem, Ack: 2, Allocation: 9}, "")
		if spp, data := d.nextData(); spp.Sequence != 2 || data != "!" {
			t.Errorf("sent %d %q, want the attention again", spp.Sequence, data)
		}
		s.Abort()
	})
}

func TestBeyondAllocation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := facing(t)
		s := must[*socket.Socket](t)(h.Socket(socket.Stream))
		if err := Window.Set(s, 64); err != nil {
			t.Fatal(err)
		}
		_, d := connectTo(t, s, w, 7)
		d.sendSPP(SPPHeader{Sequence: 64, Allocation: 7}, "too far")
		if got, data := d.next(); got.Type != TypeError || binary.BigEndian.Uint16(data) != errResourceLimit {
			t.Errorf("answered with %+v", got)
		}
		d.nextSPP()
		d.sendSPP(SPPHeader{Sequence: 64 + 59, Control: ControlAttention, Allocation: 7}, "!")
		if _, err := s.ReceiveUrgent(t.Context(), make([]byte, 1)); err != nil {
			t.Error(err)
		}
		s.Abort()
	})
}

func TestDatastreamsAndParts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, stop, err := connected(listening(inMemory, socket.SeqPacket, nil))()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		if err := Datastream.Set(a, 3); err != nil {
			t.Fatal(err)
		}
		part := socket.Message{Buffers: [][]byte{[]byte("in two ")}, Flags: socket.More}
		a.Send(&part)
		a.Write([]byte("parts"))
		other := socket.Message{Buffers: [][]byte{[]byte("cut")}, Flags: socket.More}
		SetDatastream(&other, 9)
		a.Send(&other)
		a.Write([]byte("next"))
		a.Send(&other)
		a.Close()
		for _, want := range []struct {
			text       string
			datastream uint8
			end        bool
		}{{"in two parts", 3, true}, {"cut", 9, false}, {"next", 3, true}, {"cut", 9, false}} {
			m := socket.Message{Buffers: [][]byte{make([]byte, 20)}}
			err := b.Receive(&m)
			if got := string(m.Buffers[0][:m.N]); err != nil || got != want.text || DatastreamOf(&m) != want.datastream || (m.Flags == socket.EndOfRecord) != want.end {
				t.Errorf("received %q, datastream %d, flags %#x, %v, want %+v", got, DatastreamOf(&m), m.Flags, err, want)
			}
		}
		if _, err := b.Read(nil); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}

// TestHostEnds sees that sockets end with their host.
func TestHostEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, stop, err := connected(listening(inMemory, socket.Stream, nil))()
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		engine(a).host.Close()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("Read without a host: %v", err)
		}
		b.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read from who is gone: %v", err)
		}
		b.Abort()
	})
}

func TestAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes sync.Pool allocate")
	}
	for _, typ := range []socket.Type{socket.Stream, socket.SeqPacket} {
		for name, mk := range map[string]func() hosts{"memory": inMemory, "udp": func() hosts { return overUDP(t) }} {
			a, b, stop, err := connected(listening(mk, typ, nil))()
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, 500)
			exchange := func() { a.Write(data); b.Read(data); b.Write(data); a.Read(data) }
			for range 100 {
				exchange()
			}
			if n := testing.AllocsPerRun(1000, exchange); n != 0 {
				t.Errorf("%v over %s: %v allocations for two packets", typ, name, n)
			}
			stop()
		}
	}
}
