package xns

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket"
)

// A wire is a station whose packets the test writes and reads itself.
type wire struct {
	t *testing.T
	l Link
}

// facing returns a host in memory, and the wire that faces it, of idA.
func facing(t *testing.T) (*Host, wire) {
	t.Helper()
	var s Segment
	w := wire{t, must[Link](t)(s.Attach(idA))}
	h := NewHost(must[Link](t)(s.Attach(idB)))
	t.Cleanup(func() { h.Close(); w.l.Close() })
	return h, w
}

func (w wire) send(h Header, data []byte) {
	w.t.Helper()
	w.raw(must[[]byte](w.t)(AppendPacket(nil, h, data)))
}

func (w wire) raw(packet []byte) {
	w.t.Helper()
	if err := w.l.WriteFrame(idB, packet); err != nil {
		w.t.Fatal(err)
	}
}

// next returns the packet that the host sends next.
func (w wire) next() (Header, []byte) {
	w.t.Helper()
	b := make([]byte, MaxPacket+1)
	n := must[int](w.t)(w.l.ReadFrame(b))
	h, data, err := ParsePacket(b[:n])
	if err != nil {
		w.t.Fatal(err)
	}
	return h, data
}

// silent reports whether the host has sent nothing.
func (w wire) silent() bool {
	synctest.Wait()
	return len(w.l.(*station).frames) == 0
}

// bubble runs a test under synctest.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestErrorsSent(t *testing.T) {
	free := Addr{0, idB, 4000}
	mine := Addr{0, idA, 3333}
	data := []byte("twelve bytes and more")
	for _, c := range []struct {
		name   string
		header Header
		data   []byte
		want   int // the Error's number; -1 is none
	}{
		{"no socket", Header{To: free, From: mine}, data, errNoSocket},
		{"no socket for SPP", Header{Type: TypeSPP, To: free, From: mine}, data, errNoSocket},
		{"short", Header{To: free, From: mine}, nil, errNoSocket},
		{"an Error", Header{Type: TypeError, To: free, From: mine}, data, -1},
		{"a broadcast", Header{To: Addr{0, Broadcast, 4000}, From: mine}, data, -1},
		{"from a broadcast", Header{To: free, From: Addr{0, Broadcast, 1}}, data, -1},
		{"from nobody", Header{To: free, From: Addr{0, HostID{}, 1}}, data, -1},
		{"for another host", Header{To: Addr{0, HostID{2, 9}, 4000}, From: mine}, data, -1},
		{"not SPP", Header{Type: TypePEX, To: Addr{0, idB, 5346}, From: mine}, data, errInvalidType},
		{"SPP for IDP", Header{Type: TypeSPP, To: Addr{0, idB, 5347}, From: mine}, data, errInvalidType},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, w := facing(t)
				for number, typ := range map[uint16]socket.Type{5346: socket.Stream, 5347: socket.Datagram} {
					s := must[*socket.Socket](t)(h.Socket(typ))
					if err := s.Bind(Addr{Socket: number}.Name()); err != nil {
						t.Fatal(err)
					}
					if typ == socket.Stream {
						s.Listen(0)
					}
					defer s.Close()
				}
				packet := must[[]byte](t)(AppendPacket(nil, c.header, c.data))
				w.raw(packet)
				if c.want < 0 {
					if !w.silent() {
						got, data := w.next()
						t.Errorf("answered with %+v, %x", got, data)
					}
					return
				}
				got, data := w.next()
				quoted := packet[:min(HeaderSize+len(c.data), errQuoted)]
				if got.Type != TypeError || got.To != mine || int(binary.BigEndian.Uint16(data)) != c.want || string(data[4:]) != string(quoted) {
					t.Errorf("answered with %+v, %x", got, data)
				}
			})
		})
	}
	t.Run("bad checksum", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, w := facing(t)
			packet := must[[]byte](t)(AppendPacket(nil, Header{To: free, From: mine}, data))
			packet[HeaderSize] ^= 1
			w.raw(packet)
			if got, data := w.next(); got.Type != TypeError || binary.BigEndian.Uint16(data) != errBadChecksum {
				t.Errorf("answered with %+v, %x", got, data)
			}
		})
	})
	t.Run("not too many", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			_, w := facing(t)
			for range 3 * errorRate {
				w.send(Header{To: free, From: mine}, data)
				synctest.Wait()
			}
			if n := len(w.l.(*station).frames); n != errorRate {
				t.Errorf("%d Errors at once, want %d", n, errorRate)
			}
		})
	})
}

// TestErrorsReceived sends a datagram, and answers it with an Error.
func TestErrorsReceived(t *testing.T) {
	for number, want := range map[uint16]syscall.Errno{
		errNoSocket: syscall.ECONNREFUSED, errUnreachable: syscall.ENETUNREACH, errTooBig: syscall.EMSGSIZE, errReject: syscall.ECONNREFUSED,
	} {
		for _, to := range []uint16{0, SocketError} { // to the sender's own socket, or socket 3
			bubble(t, func(t *testing.T) {
				h, w := facing(t)
				s, bystander := must[*socket.Socket](t)(h.Socket(socket.Datagram)), must[*socket.Socket](t)(h.Socket(socket.Datagram))
				defer s.Close()
				defer bystander.Close()
				peer := Addr{0, idA, 4000}.Name()
				if err := errors.Join(s.Connect(t.Context(), peer), bystander.Connect(t.Context(), peer)); err != nil {
					t.Fatal(err)
				}
				s.Write([]byte("who is there?"))
				got, data := w.next()
				quoted := must[[]byte](t)(AppendPacket(nil, got, data))
				answer := got.From
				if to != 0 {
					answer.Socket = to
				}
				w.send(Header{Type: TypeError, To: answer, From: got.To}, append([]byte{byte(number >> 8), byte(number), 0, 0}, quoted[:errQuoted]...))
				synctest.Wait()
				if _, err := s.Read(make([]byte, 10)); !errors.Is(err, want) {
					t.Errorf("Read after Error %#x: %v, want %v", number, err, want)
				}
				if _, err := s.Write(nil); err != nil {
					t.Errorf("the Error is told twice: %v", err)
				}
				bystander.SetReadDeadline(time.Now())
				if _, err := bystander.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("another socket's Read: %v", err)
				}
			})
		}
	}
}

func TestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, _ := facing(t)
		for name, c := range map[string]struct {
			do   func(s *socket.Socket) error
			typ  socket.Type
			want syscall.Errno
		}{
			"reserved":     {func(s *socket.Socket) error { return s.Bind(Addr{Socket: 2999}.Name()) }, socket.Datagram, syscall.EACCES},
			"another host": {func(s *socket.Socket) error { return s.Bind(Addr{Host: idA, Socket: 3333}.Name()) }, socket.Datagram, syscall.EADDRNOTAVAIL},
			"broadcast": {func(s *socket.Socket) error {
				s.Connect(t.Context(), Addr{0, Broadcast, 9}.Name())
				_, err := s.Write(nil)
				return err
			}, socket.Datagram, syscall.EACCES},
			"connect to none": {func(s *socket.Socket) error { return s.Connect(t.Context(), Addr{0, HostID{}, 9}.Name()) }, socket.Stream, syscall.EADDRNOTAVAIL},
			"connect to 0":    {func(s *socket.Socket) error { return s.Connect(t.Context(), Addr{0, idA, 0}.Name()) }, socket.Stream, syscall.EADDRNOTAVAIL},
			"connect to all":  {func(s *socket.Socket) error { return s.Connect(t.Context(), Addr{0, Broadcast, 9}.Name()) }, socket.Stream, syscall.EADDRNOTAVAIL},
			"not connected":   {func(s *socket.Socket) error { _, err := s.Write(nil); return err }, socket.SeqPacket, syscall.ENOTCONN},
			"absent host":     {func(s *socket.Socket) error { return s.Connect(t.Context(), Addr{0, HostID{2, 7}, 9}.Name()) }, socket.Stream, syscall.EHOSTUNREACH},
			"other family":    {func(s *socket.Socket) error { n, _ := socket.UnixName("/x"); return s.Bind(n) }, socket.Stream, syscall.EAFNOSUPPORT},
			"bound twice":     {func(s *socket.Socket) error { s.Bind(socket.Name{}); return s.Bind(socket.Name{}) }, socket.Stream, syscall.EINVAL},
			"too long": {func(s *socket.Socket) error {
				s.Connect(t.Context(), Addr{0, idA, 9}.Name())
				_, err := s.Write(make([]byte, 547))
				return err
			}, socket.Datagram, syscall.EMSGSIZE},
			"accept passively": {func(s *socket.Socket) error { _, err := s.Accept(t.Context()); return err }, socket.Stream, syscall.EINVAL},
		} {
			s := must[*socket.Socket](t)(h.Socket(c.typ))
			if err := c.do(s); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
			s.Close()
		}
		one, two := must[*socket.Socket](t)(h.Socket(socket.Stream)), must[*socket.Socket](t)(h.Socket(socket.Datagram))
		defer one.Close()
		defer two.Close()
		if err := errors.Join(Reserved.Set(one, true), one.Bind(Addr{Net: 0x41a, Socket: SocketTime}.Name())); err != nil {
			t.Errorf("binding to a reserved socket with the option: %v", err)
		}
		if one.Name().String() != "41A#20000000002H#8" {
			t.Errorf("the name is %v", one.Name())
		}
		Reserved.Set(two, true)
		if err := two.Bind(one.Name()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a number in use, of another type: %v", err)
		}
		if err := two.Bind(socket.Name{}); err != nil {
			t.Fatal(err)
		}
		if a, _ := AddrOf(two.Name()); a.Socket <= reservedSockets || a.Net != 0x41a {
			t.Errorf("the host chose %v", a)
		}
	})
}

func TestEcho(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := onSegment(nil)
		defer h.close()
		for _, data := range []string{"", "odd", "even"} {
			if _, err := h.a.Echo(t.Context(), Addr{Host: idB}, []byte(data)); err != nil {
				t.Errorf("Echo of %q: %v", data, err)
			}
		}
		if _, err := h.a.Echo(t.Context(), Addr{Host: idA}, []byte("myself")); err != nil {
			t.Errorf("Echo to itself: %v", err)
		}
		who, err := h.a.Who(t.Context(), time.Second)
		if want := []Present{{Addr: Addr{0, idA, SocketEcho}}, {Addr: Addr{0, idB, SocketEcho}}}; err != nil || !slices.Equal(who, want) {
			t.Errorf("on the link are %v, %v", who, err)
		}
	})
}

// TestFlood sends to the own host, whose datagrams have filled what is theirs.
func TestFlood(t *testing.T) {
	h, w := facing(t)
	loop := &selfLoop{make(chan *buffer, 2), make(chan *buffer, 1)} // which nobody empties
	h.mu.Lock()
	h.loop = loop
	h.mu.Unlock()
	for range 3 {
		h.send(idB, must[[]byte](t)(AppendPacket(nil, Header{}, nil)))
	}
	h.send(idB, must[[]byte](t)(AppendPacket(nil, Header{Type: TypeSPP}, nil)))
	quoted := must[[]byte](t)(AppendPacket(nil, Header{Type: TypeSPP}, nil))
	h.send(idB, must[[]byte](t)(AppendPacket(nil, Header{Type: TypeError}, append(make([]byte, errPacketHeader), quoted...)))) // a reset
	if len(loop.spp) != 2 || len(loop.others) != 1 || len(w.l.(*station).frames) != 0 {
		t.Errorf("%d packets of connections wait, and %d others", len(loop.spp), len(loop.others))
	}
}

func TestExchange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := onSegment(nil)
		defer h.close()
		drop := 2
		c := must[*Service](t)(h.b.Respond(4711, func(from Addr, client uint16, request []byte) []byte {
			if from.Host != idA || client != 9 {
				t.Errorf("asked by %v as %d", from, client)
			}
			if drop--; drop >= 0 {
				return nil
			}
			return append([]byte("re: "), request...)
		}))
		defer c.Close()
		begun := time.Now()
		reply, err := h.a.Exchange(t.Context(), Addr{Host: idB, Socket: 4711}, 9, []byte("hello"))
		if string(reply) != "re: hello" || err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("the reply is %q, %v, after %v, want it to the third request", reply, err, time.Since(begun))
		}
		drop = 99
		if _, err := h.a.Exchange(t.Context(), Addr{Host: idB, Socket: 4711}, 9, nil); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("without an answer: %v", err)
		}
		if _, err := h.a.Exchange(t.Context(), Addr{Host: idB, Socket: 4712}, 9, nil); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("without a responder: %v", err)
		}
	})
}

func TestTime(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	bubble(t, func(t *testing.T) {
		h := onSegment(nil)
		defer h.close()
		c := must[*Service](t)(h.b.Respond(SocketTime, AnswerTime))
		defer c.Close()
		got, err := h.a.Time(t.Context(), Addr{})
		if err != nil || got.Time.Unix() != time.Now().Unix() || got.Server != (Addr{0, idB, SocketTime}) {
			t.Errorf("the time is %+v, %v, want %v", got, err, time.Now())
		}
		for _, zone := range []int{0, 3600 + 1800, -3600*9 - 1800} {
			time.Local = time.FixedZone("", zone)
			all, err := h.a.Times(t.Context(), time.Second)
			if err != nil || len(all) != 1 || all[0].Server.Host != idB || all[0].Time.Unix() != time.Now().Unix() {
				t.Fatalf("all times are %+v, %v", all, err)
			}
			if _, offset := all[0].Time.Zone(); offset != zone {
				t.Errorf("its zone is %d s from Greenwich, want %d", offset, zone)
			}
		}
	})
	// Bytes as a server in a zone 3 h 30 min east of Greenwich sends them.
	b := []byte{0, 2, 0, 2, 0x81, 0xc9, 0xd7, 0x80, 0, 1, 0, 3, 0, 30, 0, 91, 1, 49, 0, 1, 0, 0, 3, 232}
	got, err := parseTime(Addr{}, b)
	if _, offset := got.Time.Zone(); err != nil || offset != 12600 || got.Time.Unix() != 0x81c9d780-2177452800 ||
		got.First != 91 || got.Last != 305 || !got.Accurate || got.Error != 1000 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNetworks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := facing(t)
		asked := make(chan []Route, 1)
		go func() {
			routes, err := h.Networks(t.Context(), time.Second)
			if err != nil {
				t.Error(err)
			}
			asked <- routes
		}()
		q, data := w.next()
		if q.Type != TypeRIP || q.To != (Addr{0, Broadcast, SocketRIP}) || string(data) != "\x00\x01\xff\xff\xff\xff\x00\x10" {
			t.Errorf("asked %+v %x", q, data)
		}
		router := Addr{0, idA, SocketRIP}
		w.send(Header{Type: TypeRIP, To: q.From, From: router}, []byte{0, 2, 0, 0, 0x04, 0x1a, 0, 1, 0, 0, 0, 7, 0, 16, 0, 0, 0, 3, 0, 2})
		want := []Route{{3, 2, router}, {0x41a, 1, router}}
		if got := <-asked; !slices.Equal(got, want) {
			t.Errorf("the networks are %v, want %v", got, want)
		}
	})
}

// TestClearinghouses answers as a server does.
func TestClearinghouses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := facing(t)
		asked := make(chan []Addr, 1)
		go func() {
			list, err := h.Clearinghouses(t.Context(), time.Second)
			if err != nil {
				t.Error(err)
			}
			asked <- list
		}()
		q, data := w.next()
		if q.Type != TypePEX || q.To != (Addr{0, Broadcast, SocketBfS}) || len(data) != pexHeader+16 || data[5] != ClientClearinghouse {
			t.Fatalf("asked %+v %x", q, data)
		}
		call := data[pexHeader:]
		if want := "\x00\x03\x00\x03\x00\x00" + string(call[6:8]) + "\x00\x00\x00\x02\x00\x03\x00\x00"; string(call) != want {
			t.Errorf("called %x, want %x", call, want)
		}
		reply := append(data[:pexHeader:pexHeader], 0, 3, 0, 3, 0, 2, call[6], call[7])
		server, other := Addr{0x41a, idA, 0}, Addr{0x41a, HostID{1: 9}, 20}
		for _, wrong := range []string{"", "\x00\x02", "\x00\x01short"} {
			w.send(Header{Type: TypePEX, To: q.From, From: Addr{0, idA, SocketBfS}}, append(reply[:len(reply):len(reply)], wrong...))
		}
		room := make([]byte, 2+2*addrSize)
		room[1] = 2
		server.put(room[2:])
		other.put(room[2+addrSize:])
		w.send(Header{Type: TypePEX, To: q.From, From: Addr{0, idA, SocketBfS}}, append(reply, room...))
		if got := <-asked; !slices.Equal(got, []Addr{other, server}) {
			t.Errorf("the servers are %v", got)
		}
	})
}

// FuzzAnswers reads whatever answers the questions to a network.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 0x04, 0x1a, 0, 1, 0, 0, 0, 7, 0, 16})
	f.Add([]byte{0, 2, 0, 2, 0x81, 0xc9, 0xd7, 0x80, 0, 1, 0, 3, 0, 30, 0, 91, 1, 49, 0, 1, 0, 0, 3, 232})
	f.Add(append([]byte{0, 3, 0, 3, 0, 2, 0, 7, 0, 1}, make([]byte, addrSize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range parseRIP(b, Addr{}) {
			if r.Hops < 0 || r.Hops >= ripInfinity {
				t.Errorf("%+v", r)
			}
		}
		if at, err := parseTime(Addr{}, b); err == nil {
			if _, offset := at.Time.Zone(); offset <= -24*3600 || offset >= 24*3600 {
				t.Errorf("%+v", at)
			}
		}
		if list, err := parseAddresses(b, 7); err == nil && len(list) > mostAddresses {
			t.Errorf("%d addresses", len(list))
		}
	})
}

// TestGateway sends to another network, and to the own one.
func TestGateway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, w := facing(t)
		s := must[*socket.Socket](t)(h.Socket(socket.Datagram))
		defer s.Close()
		if err := errors.Join(Gateway.Set(s, idA), s.Bind(Addr{Net: 5}.Name())); err != nil {
			t.Fatal(err)
		}
		far := Addr{6, HostID{2, 8}, 4000}
		typed := socket.Message{Peer: far.Name()}
		SetType(&typed, 9)
		if _, err := s.Send(&typed); err != nil {
			t.Fatal(err)
		}
		if got, _ := w.next(); got.To != far || got.From.Net != 5 || got.Type != 9 {
			t.Errorf("the gateway got %+v", got)
		}
		if _, err := s.Send(&socket.Message{Peer: far.Name(), Flags: socket.DontRoute}); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("past the gateway: %v", err)
		}
		near := Addr{5, HostID{2, 8}, 4000}
		if _, err := s.Send(&socket.Message{Peer: near.Name()}); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("to a host of this network that is not there: %v", err)
		}
		w.send(Header{Type: 7, To: Addr{0, idB, must[Addr](t)(mustAddrOf(s.Name())).Socket}, From: Addr{0, idA, 9}}, []byte("x"))
		m := socket.Message{Buffers: [][]byte{make([]byte, 4)}}
		if err := s.Receive(&m); err != nil || m.Peer != (Addr{5, idA, 9}).Name() || TypeOf(&m) != 7 {
			t.Errorf("received from %v type %d, %v: network 0 is to be filled in", m.Peer, TypeOf(&m), err)
		}
	})
}

// mustAddrOf is AddrOf, with an error to give to must.
func mustAddrOf(n socket.Name) (Addr, error) {
	a, ok := AddrOf(n)
	if !ok {
		return a, errors.New("no name in domain ns")
	}
	return a, nil
}

// plainChecksum is checksum as the standard has it, word by word.
func plainChecksum(p []byte) uint16 {
	var s uint32
	for i := 2; i+1 < len(p); i += 2 {
		s += uint32(p[i])<<8 | uint32(p[i+1])
		s = s&0xffff + s>>16
		s <<= 1
		s = s&0xffff + s>>16
	}
	if s == noChecksum {
		return 0
	}
	return uint16(s)
}

func TestChecksum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := 2; n <= MaxPacket; n += 2 {
		b := make([]byte, n)
		for kind := range 3 {
			for i := range b {
				b[i] = [...]byte{byte(random.Uint32()), 0xff, 0}[kind]
			}
			if got, want := checksum(b), plainChecksum(b); got != want {
				t.Fatalf("of %d bytes, sort %d: %#x, want %#x", n, kind, got, want)
			}
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, g := range goldenFrames() {
		f.Add(must[[]byte](f)(AppendPacket(nil, g.header, []byte(g.data))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, data, err := ParsePacket(b)
		if err != nil {
			return
		}
		made, err := AppendPacket(nil, h, data)
		if err != nil {
			t.Fatal(err)
		}
		if len(data)%2 == 0 && string(made) != string(b[:len(made)]) {
			t.Errorf("made  %x\nof    %x", made, b[:len(made)])
		}
		ParseSPP(data)
	})
}

// FuzzHost feeds a host with sockets of each sort whatever comes. It must not
// answer an Error or a broadcast with an Error.
func FuzzHost(f *testing.F) {
	for _, g := range goldenFrames() {
		f.Add(uint8(g.header.Type), g.spp.Append(nil), uint64(1))
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte, seed uint64) {
		bubble(t, func(t *testing.T) {
			h, w := facing(t)
			l, s, d := must[*socket.Socket](t)(h.Socket(socket.Stream)), must[*socket.Socket](t)(h.Socket(socket.SeqPacket)), must[*socket.Socket](t)(h.Socket(socket.Datagram))
			defer l.Close()
			defer d.Close()
			defer s.Close()
			if err := errors.Join(l.Listen(1), d.Bind(socket.Name{}), Linger.Set(s, 0), CloseTimeout.Set(s, 0), s.Bind(socket.Name{})); err != nil {
				t.Fatal(err)
			}
			go s.Connect(t.Context(), Addr{0, idA, 5}.Name())
			_, asked := w.next()
			spp, _, _ := ParseSPP(asked)
			own, _ := AddrOf(s.Name())
			if seed%2 == 0 { // let the connection stand
				w.send(Header{Type: TypeSPP, To: own, From: Addr{0, idA, 6}}, SPPHeader{Control: ControlSystem, From: 77, To: spp.From, Allocation: 3}.Append(nil))
				w.next()
			}
			random := rand.New(rand.NewPCG(seed, 1))
			sockets := []socket.Name{l.Name(), s.Name(), d.Name()}
			for range 20 {
				to, _ := AddrOf(sockets[random.IntN(3)])
				p := slices.Clone(data[:min(len(data), 600)])
				if len(p) >= SPPHeaderSize && random.IntN(2) == 0 { // ids that fit
					binary.BigEndian.PutUint16(p[2:], 77)
					binary.BigEndian.PutUint16(p[4:], spp.From)
				}
				if len(p) > 0 && random.IntN(2) == 0 {
					p[random.IntN(len(p))] = byte(random.Uint32())
				}
				from, quiet := Addr{0, idA, 6}, kind == TypeError
				if random.IntN(4) == 0 {
					to.Host, quiet = Broadcast, true
				}
				before := len(w.l.(*station).frames)
				if random.IntN(4) == 0 { // no packet at all, or one by chance
					quiet = len(data) > 5 && data[5] == TypeError || len(data) > 11 && data[6]&1 != 0
					w.raw(data[:min(len(data), MaxPacket)])
				} else {
					w.send(Header{Type: kind, To: to, From: from}, p)
				}
				synctest.Wait()
				h.mu.RLock()
				if len(h.ports) > 3+1 || len(h.passive) > 1 { // the sockets, and one connection in the queue
					t.Errorf("%d sockets, %d connections", len(h.ports), len(h.passive))
				}
				h.mu.RUnlock()
				for range len(w.l.(*station).frames) - before {
					if got, _ := w.next(); got.Type == TypeError && quiet {
						t.Fatalf("an Error in answer to a packet of type %d for %v", kind, to)
					}
				}
			}
		})
	})
}
