package iso

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// wire returns a socket of ours and the TCP connection at its other end, with
// the handshake done.
func wire(t testing.TB, typ socket.Type, change ...func(*socket.Socket)) (*socket.Socket, net.Conn) {
	t.Helper()
	l := listen(t, typ, "", change...)
	conn := rawClient(t, l)
	send(t, conn, crS7)
	if got := readPacket(t, conn); got == "" {
		t.Fatal("no answer")
	}
	return accept(t, l), conn
}

// framed returns TSDUs as DTs with at most so many bytes of data, all of them
// random in size.
func framed(r *rand.Rand, most int, tsdus ...[]byte) []byte {
	var b []byte
	for _, d := range tsdus {
		for {
			n := min(len(d), 1+r.IntN(most))
			b = append(b, 3, byte(r.IntN(256)), byte((n+7)>>8), byte(n+7), 2, 0xf0, 0)
			b = append(b, d[:n]...)
			if d = d[n:]; len(d) == 0 {
				b[len(b)-n-1] = 0x80
				break
			}
		}
	}
	return b
}

func random(r *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestSegmentation sends random TSDUs in random TPDUs through random segments
// of TCP: they arrive whole and in order, into buffers of any shape.
func TestSegmentation(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, conn := wire(t, socket.SeqPacket)
		var tsdus [][]byte
		for range 40 {
			tsdus = append(tsdus, random(r, 1+r.IntN(1<<r.IntN(19))))
		}
		stream := framed(r, 1<<(4+2*seed), tsdus...)
		pieces := rand.New(rand.NewPCG(seed, 2))
		var sender sync.WaitGroup
		sender.Go(func() {
			for left := stream; len(left) > 0; {
				n := min(len(left), 1+pieces.IntN(1<<(1+pieces.IntN(17))))
				if _, err := conn.Write(left[:n]); err != nil {
					t.Error(err)
					return
				}
				left = left[n:]
			}
			conn.Close()
		})
		for i, want := range tsdus {
			b := make([]byte, len(want)+10)
			var n int
			var err error
			if i%2 == 0 {
				n, err = s.Read(b)
			} else {
				cut := r.IntN(len(b))
				m := socket.Message{Buffers: [][]byte{b[:cut/2], b[cut/2 : cut], nil, b[cut:]}}
				if i%3 == 0 { // look at it first
					m.Flags = socket.Peek
					if err := s.Receive(&m); err != nil || m.Size != len(want) {
						t.Errorf("a look at TSDU %d: %d bytes, %v", i, m.Size, err)
					}
					clear(b)
					m.Flags = 0
				}
				err = s.Receive(&m)
				n = m.N
				if m.Flags&socket.EndOfRecord == 0 {
					t.Errorf("TSDU %d has the flags %#x", i, m.Flags)
				}
			}
			if err != nil || !bytes.Equal(b[:n], want) {
				t.Fatalf("seed %d: TSDU %d of %d bytes: %d, %v", seed, i, len(want), n, err)
			}
		}
		if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read at the end = %d, %v", n, err)
		}
		sender.Wait()
	}
}

// TestStreamView sends the same to a stream, which forgets the TSDUs.
func TestStreamView(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s, conn := wire(t, socket.Stream)
	tsdus := [][]byte{random(r, 100000), random(r, 1), random(r, 3000)}
	var sender sync.WaitGroup
	sender.Go(func() { conn.Write(framed(r, 5000, tsdus...)); conn.Close() })
	got, err := io.ReadAll(struct{ io.Reader }{s})
	if want := bytes.Join(tsdus, nil); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived of %d: %v", len(got), len(want), err)
	}
	sender.Wait()

	// What a stream writes are TSDUs of a TPDU each.
	s, conn = wire(t, socket.Stream, with(TPDUSize, 128))
	if n, err := s.Writev([][]byte{make([]byte, 100), nil, make([]byte, 100)}); n != 200 || err != nil {
		t.Errorf("Writev = %d, %v", n, err)
	}
	for _, size := range []int{125, 75} {
		if got := readPacket(t, conn); len(got) != 2*(7+size) || got[8:14] != "02f080" {
			t.Errorf("it is written as %s, want %d bytes that end a TSDU", got, size)
		}
	}
	if n, err := s.Write(nil); n != 0 || err != nil {
		t.Errorf("Write of nothing = %d, %v", n, err)
	}
}

// TestLargest sends a message of the largest size, both ways at once.
func TestLargest(t *testing.T) {
	a, b := connectedPair(t, socket.SeqPacket)
	data := random(rand.New(rand.NewPCG(1, 1)), DefaultTSDU)
	var all sync.WaitGroup
	for _, s := range []*socket.Socket{a, b} {
		all.Go(func() {
			if n, err := s.Write(data); n != len(data) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		})
		all.Go(func() {
			got := make([]byte, len(data))
			if n, err := s.Read(got); n != len(data) || err != nil || !bytes.Equal(got, data) {
				t.Errorf("Read = %d, %v", n, err)
			}
		})
	}
	all.Wait()
	if n, err := a.Write(make([]byte, DefaultTSDU+1)); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("Write of a byte more = %d, %v", n, err)
	}
	if n, err := a.Write(nil); n != 0 || !errors.Is(err, syscall.EMSGSIZE) || !strings.Contains(err.Error(), "empty") {
		t.Errorf("Write of nothing = %d, %v", n, err)
	}
}

// TestWire has the peer misbehave, or be the field's gear.
func TestWire(t *testing.T) {
	for _, c := range []struct {
		name, sent string
		messages   []string
		end        error
		text       string
	}{
		{"messages and the end", dt32 + "0300000902f0806869", []string{"2", "hi"}, io.EOF, ""},
		{"a number in each", "0300000802f08132" + "0300000802f08232", []string{"2", "2"}, io.EOF, ""},
		{"parts", "0300000802f00061" + "0300000702f000" + "0300000802f08062", []string{"ab"}, io.EOF, ""},
		{"an end without data", "0300000802f00061" + "0300000702f080", []string{"a"}, io.EOF, ""},
		{"an empty TSDU", "0300000702f080" + dt32, []string{"", "2"}, io.EOF, ""},
		{"a DR at the end", dt32 + "0300000b06800001000080", []string{"2"}, io.EOF, ""},
		{"a DR as python-snap7 sends it", dt32 + "0300000c0680000100010000", []string{"2"}, io.EOF, ""},
		{"a DR in a message", "0300000802f00061" + "0300000b06800001000080", nil, syscall.ECONNRESET, "middle of a message"},
		{"the end in a message", "0300000802f00061", nil, syscall.ECONNRESET, "middle of a message"},
		{"the end in a TPDU", "0300000902f08061", nil, syscall.ECONNRESET, "middle of a message"},
		{"the end in a header", "030000", nil, syscall.ECONNRESET, "middle of a message"},
		{"an ER", "0300000d0870000103c10206e0", nil, syscall.EPROTO, "rejects a TPDU"},
		{"another protocol", hex.EncodeToString([]byte("GET / HTTP/1.1")), nil, syscall.EPROTO, "no TPKT"},
		{"a packet that is too short", "0300000602f0", nil, syscall.EPROTO, "6 bytes"},
		{"expedited data unasked", "0300000802108021", nil, syscall.EPROTO, "not negotiated"},
		{"a second CR", crS7, nil, syscall.EPROTO, "a CR came"},
		{"an AK", "030000090460000100", nil, syscall.EPROTO, "0x60"},
		{"a DT of class 2", "0300000a04f00001803232", nil, syscall.EPROTO, ""},
		{"more than the bound", strings.Repeat("0300000802f00061", 101), nil, syscall.EMSGSIZE, "option tsdu"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, conn := wire(t, socket.SeqPacket, with(LargestTSDU, 100))
			send(t, conn, c.sent)
			conn.(*net.TCPConn).CloseWrite()
			b := make([]byte, 200)
			for _, want := range c.messages {
				if n, err := s.Read(b); string(b[:n]) != want || err != nil {
					t.Errorf("Read: %q, %v, want %q", b[:n], err, want)
				}
			}
			for range 2 {
				if n, err := s.Read(b); n != 0 || !errors.Is(err, c.end) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("Read = %d, %v, want 0, %v", n, err, c.end)
				}
			}
			if c.end != io.EOF && c.end != syscall.ECONNRESET {
				// The TCP connection is ended too.
				if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the peer reads %x, %v", rest, err)
				}
			}
		})
	}
}

// TestUnfinishedMessages has clients that begin messages and do not end them: a
// listener holds so much of them and no more.
func TestUnfinishedMessages(t *testing.T) {
	defer func(most int64) { mostUnfinished = most }(mostUnfinished)
	mostUnfinished = 1 << 20
	l := listen(t, socket.SeqPacket, "")
	part := "0300fffb02f000" + strings.Repeat("61", 0xfffb-7)
	ends := make(chan error, 4)
	var served []*socket.Socket
	for range cap(ends) {
		client := rawClient(t, l)
		send(t, client, crS7)
		readPacket(t, client)
		s := accept(t, l)
		served = append(served, s)
		go func() {
			_, err := s.Read(make([]byte, 10))
			ends <- err
		}()
		for range 8 { // half of what there is, at each
			if _, err := client.Write(unhex(t, part)); err != nil {
				break
			}
		}
	}
	for range 2 {
		if err := <-ends; !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("a reader ended with %v", err)
		}
	}
	for _, s := range served {
		s.Close()
	}
	for range 2 {
		<-ends
	}
	for _, s := range served {
		if e, _ := socket.As[*connection](s); e.hoard.bytes.Load() != 0 {
			t.Errorf("%d bytes are held by nobody", e.hoard.bytes.Load())
		}
	}
}

// TestHalfRead lets a deadline pass after each byte of a TSDU in two TPDUs.
func TestHalfRead(t *testing.T) {
	for _, typ := range []socket.Type{socket.SeqPacket, socket.Stream} {
		s, conn := wire(t, typ)
		sent := unhex(t, "0300000a02f000616263"+"0300000902f0806465")
		b := make([]byte, 10)
		var got []byte
		for i, char := range sent {
			s.SetReadDeadline(time.Now().Add(time.Millisecond))
			n, err := s.Read(b)
			if got = append(got, b[:n]...); n == 0 && !errors.Is(err, os.ErrDeadlineExceeded) || n > 0 && typ == socket.SeqPacket {
				t.Fatalf("Read after %d bytes = %d, %v", i, n, err)
			}
			conn.Write([]byte{char})
		}
		patient(s)
		n, err := s.Read(b)
		if got = append(got, b[:n]...); string(got) != "abcde" || err != nil {
			t.Errorf("%v: %q, %v", typ, got, err)
		}
	}
}

// TestHalfReadLong lets deadlines pass within a long message, which is read to
// memory of the caller's that it then changes.
func TestHalfReadLong(t *testing.T) {
	s, conn := wire(t, socket.SeqPacket)
	r := rand.New(rand.NewPCG(3, 3))
	want := random(r, 300000)
	stream := framed(r, 20000, want)
	for left := stream; len(left) > 0; {
		n := min(len(left), 1+r.IntN(30000))
		conn.Write(left[:n])
		if left = left[n:]; len(left) == 0 {
			break
		}
		b := make([]byte, []int{10, 50000, 400000}[r.IntN(3)])
		s.SetReadDeadline(time.Now().Add(time.Millisecond))
		if n, err := s.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read of a part = %d, %v", n, err)
		}
		clear(b)
	}
	patient(s)
	b := make([]byte, len(want))
	if n, err := s.Read(b); n != len(want) || err != nil || !bytes.Equal(b, want) {
		t.Errorf("Read = %d, %v", n, err)
	}
}

// narrowPair returns a pair between which little is on its way.
func narrowPair(t *testing.T, typ socket.Type) (a, b *socket.Socket) {
	t.Helper()
	return connectedPair(t, typ, with(option.SendBuffer, 16<<10), with(option.ReceiveBuffer, 16<<10))
}

// fill sends messages to a peer that does not read, until the deadline says
// that nothing more fits, and returns what was taken.
func fill(t *testing.T, s *socket.Socket, size int) (sent [][]byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	for {
		b := random(r, size)
		s.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := s.Write(b)
		if n > 0 {
			sent = append(sent, bytes.Clone(b[:n]))
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) || n > 0 && s.Type() == socket.SeqPacket {
				t.Fatalf("Write = %d, %v", n, err)
			}
			return sent
		}
		clear(b)
	}
}

// TestHalfWrite lets deadlines pass in the middle of long messages that nobody
// reads: what Write said it sent arrives, without another call, and nothing
// else.
func TestHalfWrite(t *testing.T) {
	for _, typ := range []socket.Type{socket.SeqPacket, socket.Stream} {
		for _, size := range []int{100000, 1 << 20} {
			a, b := narrowPair(t, typ)
			sent := fill(t, a, size)
			got := make([]byte, size)
			if typ == socket.Stream {
				want := bytes.Join(sent, nil)
				all := make([]byte, len(want))
				if n, err := io.ReadFull(struct{ io.Reader }{b}, all); err != nil || !bytes.Equal(all, want) {
					t.Errorf("%d of %d bytes arrived: %v", n, len(want), err)
				}
			} else {
				for i, want := range sent {
					if n, err := b.Read(got); err != nil || !bytes.Equal(got[:n], want) {
						t.Fatalf("message %d of %d: %d, %v", i, len(sent), n, err)
					}
				}
			}
			patient(a)
			a.Write([]byte("last"))
			if n, err := b.Read(got); err != nil || string(got[:n]) != "last" {
				t.Errorf("%v: %q, %v", typ, got[:n], err)
			}
		}
	}
}

// TestCloseFlushes closes while what Write took has not left: it arrives if the
// peer reads, and the end after it.
func TestCloseFlushes(t *testing.T) {
	a, b := narrowPair(t, socket.SeqPacket)
	sent := fill(t, a, 1<<20)
	closed := make(chan error, 1)
	go func() { closed <- a.Close() }()
	got := make([]byte, 1<<20)
	for i, want := range sent {
		if n, err := b.Read(got); err != nil || !bytes.Equal(got[:n], want) {
			t.Fatalf("message %d of %d: %d, %v", i, len(sent), n, err)
		}
	}
	if n, err := b.Read(got); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v", n, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestCloseUnread closes on a peer that never reads: that takes no more than
// the bound, and the peer can tell.
func TestCloseUnread(t *testing.T) {
	a, b := narrowPair(t, socket.SeqPacket)
	sent := fill(t, a, 1<<20)
	a.SetWriteDeadline(time.Time{})
	waiting := make(chan error, 1)
	go func() {
		_, err := a.Write(make([]byte, 1<<20))
		for err == nil {
			_, err = a.Write(make([]byte, 1<<20))
		}
		waiting <- err
	}()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write ended by Close: %v", err)
	}
	got := make([]byte, 1<<20)
	var err error
	n := 0
	for ; err == nil; n++ {
		_, err = b.Read(got)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after %d of %d messages the peer reads %v, want ECONNRESET", n-1, len(sent), err)
	}
}

func TestShutdown(t *testing.T) {
	a, b := connectedPair(t, socket.SeqPacket)
	err := a.Shutdown(socket.ShutdownWrite)
	var u *socket.UnsupportedError
	if !errors.As(err, &u) || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "class 0") {
		t.Errorf("Shutdown(Write): %v, want an UnsupportedError about class 0", err)
	}
	b.Write([]byte("answer"))
	got := make([]byte, 10)
	if n, err := a.Read(got); err != nil || string(got[:n]) != "answer" {
		t.Errorf("Read after it: %q, %v", got[:n], err)
	}
	if err := b.Shutdown(socket.ShutdownBoth); err != nil {
		t.Errorf("Shutdown(Both): %v", err)
	}
	if n, err := a.Read(got); n != 0 || err != io.EOF {
		t.Errorf("the peer reads %d, %v, want io.EOF", n, err)
	}
	if n, err := b.Write([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write after it = %d, %v", n, err)
	}

	a, b = connectedPair(t, socket.SeqPacket)
	waiting := make(chan error, 1)
	go func() { _, err := a.Read(got); waiting <- err }()
	if err := a.Shutdown(socket.ShutdownRead); err != nil {
		t.Errorf("Shutdown(Read): %v", err)
	}
	if err := <-waiting; err != io.EOF {
		t.Errorf("Read that waits: %v", err)
	}
	if _, err := a.Write([]byte("still")); err != nil {
		t.Error(err)
	}
	if n, err := b.Read(got); err != nil || string(got[:n]) != "still" {
		t.Errorf("%q, %v", got[:n], err)
	}
	for _, how := range []socket.ShutdownHow{socket.ShutdownRead, socket.ShutdownWrite, socket.ShutdownBoth} {
		if err := opened(t, socket.SeqPacket).Shutdown(how); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("%v without a connection: %v", how, err)
		}
	}
}

func TestAbort(t *testing.T) {
	a, b := connectedPair(t, socket.SeqPacket)
	if err := a.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %v", err)
	}
	if err := a.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Close after it: %v", err)
	}
}

// TestUserData sends it with every TPDU that may have some.
func TestUserData(t *testing.T) {
	control := func(code int, data string) *socket.Message {
		var m socket.Message
		m.Ancillary.Present = socket.HasControl
		m.Ancillary.Control = []socket.Control{{Level: ControlLevel, Type: code, Data: []byte(data)}}
		return &m
	}
	l := listen(t, socket.SeqPacket, "u")
	if _, err := l.Send(control(ConfirmData, "welcome")); err != nil {
		t.Fatal(err)
	}
	a := dial(t, socket.SeqPacket, l.Name(), func(s *socket.Socket) {
		if _, err := s.Send(control(ConnectData, "hello")); err != nil {
			t.Error(err)
		}
	})
	b := accept(t, l)
	if string(UserData(b)) != "hello" || string(UserData(a)) != "welcome" {
		t.Errorf("the ends tell of %q and %q", UserData(b), UserData(a))
	}
	for _, c := range []struct {
		from, to *socket.Socket
		code     int
		want     string
	}{{a, b, ConnectData, "hello"}, {b, a, ConfirmData, "welcome"}} {
		for i := range 2 {
			c.from.Write([]byte("data"))
			m := socket.Message{Buffers: [][]byte{make([]byte, 10)}}
			if err := c.to.Receive(&m); err != nil || m.N != 4 {
				t.Fatalf("Receive: %d, %v", m.N, err)
			}
			if has := m.Ancillary.Present == socket.HasControl; has != (i == 0) ||
				has && (m.Ancillary.Control[0].Type != c.code || string(m.Ancillary.Control[0].Data) != c.want) {
				t.Errorf("message %d has %+v", i, m.Ancillary)
			}
		}
	}
	if _, err := a.Send(control(DisconnectData, "bye")); err != nil {
		t.Error(err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write after a disconnect: %v", err)
	}
	for range 2 {
		m := socket.Message{Buffers: [][]byte{make([]byte, 10)}}
		if err := b.Receive(&m); err != io.EOF || m.Ancillary.Present != socket.HasControl || string(m.Ancillary.Control[0].Data) != "bye" {
			t.Errorf("Receive: %v, with %+v", err, m.Ancillary)
		}
	}
	for _, m := range []*socket.Message{
		control(ConnectData, strings.Repeat("x", 33)), control(ConnectData, ""), control(1, "x"),
		{Ancillary: socket.Ancillary{Present: socket.HasFiles}},
	} {
		if _, err := opened(t, socket.SeqPacket).Send(m); err == nil {
			t.Errorf("%+v is accepted", m.Ancillary)
		}
	}
	if UserData(opened(t, socket.SeqPacket)) != nil {
		t.Error("a socket without a connection has user data")
	}
}

// TestNoAllocation counts what a TSDU allocates, there and back.
func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, typ := range []socket.Type{socket.SeqPacket, socket.Stream} {
		a, b := connectedPair(t, typ)
		for _, size := range []int{200, 30000} {
			data, back := make([]byte, size), make([]byte, size)
			var out, in socket.Message
			out.SetData(data)
			in.SetData(back)
			pass := func() {
				a.Write(data)
				io.ReadFull(b, back)
				b.Send(&out)
				if typ == socket.SeqPacket {
					a.Receive(&in)
				} else {
					io.ReadFull(a, back)
				}
			}
			pass()
			if n := testing.AllocsPerRun(200, pass); n != 0 {
				t.Errorf("%v, %d bytes: %v allocations", typ, size, n)
			}
		}
	}
}

// TestRacyClose has every call race with Close.
func TestRacyClose(t *testing.T) {
	for range 20 {
		a, b := connectedPair(t, socket.SeqPacket, with(Expedited, true))
		var all sync.WaitGroup
		for _, s := range []*socket.Socket{a, b} {
			for _, call := range []func() error{
				func() error { _, err := s.Write(make([]byte, 20000)); return err },
				func() error { _, err := s.Read(make([]byte, 30000)); return err },
				func() error { _, err := s.SendUrgent([]byte("!")); return err },
				func() error { _, err := s.ReceiveUrgent(context.Background(), make([]byte, 16)); return err },
				func() error { s.Properties(); _, err := s.AtMark(); return err },
			} {
				all.Go(func() {
					for range 5 {
						if err := call(); err != nil {
							return
						}
					}
				})
			}
		}
		a.Close()
		b.Close()
		all.Wait()
	}
}
