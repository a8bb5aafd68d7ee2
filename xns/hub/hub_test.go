package hub

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// A client is the far end of a line.
type client struct {
	t       *testing.T
	s       *socket.Socket
	framing Framing
	in      *Reader
	ended   chan struct{} // closed when the hub is done with the line
	line    Line
	err     error
}

// count returns how many ports of the hub there are of a sort.
func (h *Hub) count(sort func(*port) bool) (n int) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for p := range h.ports {
		if sort(p) {
			n++
		}
	}
	return n
}

func isPort(*port) bool     { return true }
func isQEMU(p *port) bool   { return Framing(p.framing.Load()) == QEMU }
func isBridge(p *port) bool { return p.ethernet }

// join makes a client of the hub. A QEMU announces itself.
func join(t *testing.T, h *Hub, f Framing) *client {
	t.Helper()
	near, far, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, s: near, framing: f, in: NewReader(near, f), ended: make(chan struct{})}
	ports, qemus := h.count(isPort), h.count(isQEMU)
	go func() {
		defer close(c.ended)
		defer far.Close()
		c.line, c.err = h.Serve(context.Background(), far)
	}()
	t.Cleanup(func() { near.Close(); <-c.ended })
	eventually(t, "the line is there", func() bool { return h.count(isPort) > ports })
	if f == QEMU {
		c.write(announcement[:])
		eventually(t, "the hub knows it for QEMU", func() bool { return h.count(isQEMU) > qemus })
	}
	return c
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.s.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) send(frame []byte) { c.t.Helper(); c.write(c.framing.Append(nil, frame)) }

// next returns the frame that the client receives next.
func (c *client) next() []byte {
	c.t.Helper()
	c.s.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, Longest)
	n, err := c.in.Next(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return b[:n]
}

func (c *client) expect(want []byte) {
	c.t.Helper()
	if got := c.next(); !bytes.Equal(got, want) {
		c.t.Fatalf("received %.60x, want %.60x", got, want)
	}
}

// leave closes the connection and returns what the hub says of the line.
func (c *client) leave() (Line, error) {
	c.s.Close()
	<-c.ended
	return c.line, c.err
}

// made returns a frame of that many bytes for everybody, with that number in
// it.
func made(from byte, etherType uint16, number, size int) []byte {
	b := bytes.Repeat([]byte{0xff}, size)
	copy(b[6:], []byte{2, 0, 0, 0, 0, from})
	binary.BigEndian.PutUint16(b[12:], etherType)
	if size >= 18 {
		binary.BigEndian.PutUint32(b[14:], uint32(number))
	}
	return b
}

func TestRepeats(t *testing.T) {
	var h Hub
	a, b, q := join(t, &h, NetHub), join(t, &h, NetHub), join(t, &h, QEMU)
	for _, frame := range [][]byte{made(1, 0x600, 1, 60), made(1, 0x800, 2, 14), made(1, 0x600, 3, MaxFrame)} {
		a.send(frame)
		b.expect(frame)
		q.expect(frame)
	}

	// An odd one is even for those who must have it so.
	odd := made(3, 0x600, 4, 61)
	q.send(odd)
	a.expect(append(odd, 0))
	b.expect(append(odd, 0))

	// What is longer than a NetHub's client takes is not for them, nor from them.
	long, short := made(3, 0x600, 5, 1200), made(3, 0x600, 6, 60)
	q.send(long)
	b.send(long)
	b.send(made(2, 0x600, 7, 14)[:12])
	group := made(2, 0x600, 8, 60)
	group[6] |= 1
	b.send(group)
	b.send(short)
	q.expect(short)
	a.expect(short)
	q.send(short)
	a.expect(short)
	b.expect(short)

	line, err := b.leave()
	want := Line{Peer: "", Framing: NetHub, Counts: Counts{FramesIn: 1, BytesIn: 60, FramesOut: 5, BytesOut: 60 + 14 + MaxFrame + 61 + 60, Refused: 4}}
	if err != nil || line != want {
		t.Errorf("the line had %+v, %v, want %+v", line, err, want)
	}
	line, err = q.leave()
	if err != nil || line.Framing != QEMU || line.FramesIn != 3 || line.FramesOut != 4 || line.Refused != 0 {
		t.Errorf("QEMU's line had %+v, %v", line, err)
	}
	a.leave()
	if all := h.Counts(); all.FramesIn != 7 || all.FramesOut != 5+4+3 || all.Refused != 4+1 {
		t.Errorf("in all: %+v", all)
	}
}

// TestSlow has a client that reads nothing. Nobody waits for it, and what is
// lost to it is counted.
func TestSlow(t *testing.T) {
	var log testenv.Journal
	h := Hub{Queue: 10, Log: slog.New(slog.NewTextHandler(&log, nil))}
	slow, sender, reader := join(t, &h, NetHub), join(t, &h, NetHub), join(t, &h, NetHub)
	const frames = 5000
	for i := range frames { // in step, so that the reader never is slow
		sender.send(made(1, 0x600, i, MaxFrame))
		reader.expect(made(1, 0x600, i, MaxFrame))
	}
	got, last := 0, -1
	slow.s.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, Longest)
	for last != frames {
		sender.send(made(1, 0x600, frames, 60)) // until one is not lost
		reader.next()
		for {
			slow.s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			n, err := slow.in.Next(b)
			if err != nil {
				break
			}
			number := int(binary.BigEndian.Uint32(b[14:n]))
			if number < last {
				t.Fatalf("frame %d came after %d", number, last)
			}
			last = number
			got++
		}
	}
	line, err := slow.leave()
	sent, _ := sender.leave()
	if err != nil || line.Lost == 0 || line.FramesOut != int64(got) || line.Lost+line.FramesOut != sent.FramesIn {
		t.Errorf("the slow line had %+v, %v; it read %d of %d", line, err, got, sent.FramesIn)
	}
	if other, _ := reader.leave(); other.Lost != 0 {
		t.Errorf("the other lost %d", other.Lost)
	}
	if n := strings.Count(log.String(), "is slow"); n < 1 || n > 3 {
		t.Errorf("the log says it %d times:\n%s", n, log.String())
	}
}

func TestEnds(t *testing.T) {
	t.Run("nonsense", func(t *testing.T) {
		var h Hub
		c := join(t, &h, NetHub)
		c.write([]byte("GET / HTTP/1.1\r\n\r\n"))
		<-c.ended
		var wrong *LengthError
		if !errors.As(c.err, &wrong) {
			t.Errorf("the line ended with %v", c.err)
		}
	})
	t.Run("cut short", func(t *testing.T) {
		var h Hub
		c := join(t, &h, NetHub)
		c.write([]byte{0, 60, 1})
		if _, err := c.leave(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the line ended with %v", err)
		}
	})
	t.Run("finish", func(t *testing.T) {
		h := Hub{Queue: 4000}
		a, b := join(t, &h, NetHub), join(t, &h, NetHub)
		const frames = 3000 // more than the stream holds
		for i := range frames {
			a.send(made(1, 0x600, i, MaxFrame))
		}
		eventually(t, "all is taken in", func() bool { return h.Counts().FramesIn == frames })
		h.Finish()
		for i := range frames { // what is queued is sent
			b.expect(made(1, 0x600, i, MaxFrame))
		}
		<-a.ended
		<-b.ended
		if a.err != nil || b.err != nil || b.line.FramesOut != frames {
			t.Errorf("the lines ended with %v, %v, %+v", a.err, b.err, b.line)
		}
		near, far, err := socket.Pair(socket.Unix, socket.Stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer near.Close()
		defer far.Close()
		if _, err := h.Serve(t.Context(), far); err != nil {
			t.Errorf("a line after the end: %v", err)
		}
	})
	t.Run("a client that ends its side and takes nothing", func(t *testing.T) {
		h := Hub{Queue: 4000}
		a, b := join(t, &h, NetHub), join(t, &h, NetHub)
		for i := range 3000 {
			a.send(made(1, 0x600, i, MaxFrame))
		}
		b.s.Shutdown(socket.ShutdownWrite)
		<-b.ended // after flushTime
		if b.err != nil {
			t.Errorf("the line ended with %v", b.err)
		}
	})
	t.Run("context", func(t *testing.T) {
		near, far, err := socket.Pair(socket.Unix, socket.Stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer near.Close()
		defer far.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var h Hub
		done := make(chan error, 1)
		go func() {
			_, err := h.Serve(ctx, far)
			done <- err
		}()
		eventually(t, "the line is there", func() bool { return h.count(isPort) == 1 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the line ended with %v", err)
		}
	})
}

// A memoryRecorder keeps what it is given, and fails after a number of frames.
type memoryRecorder struct {
	mu     sync.Mutex
	frames [][]byte
	left   int
}

var errFull = errors.New("full")

func (r *memoryRecorder) FrameAt(at time.Time, frame []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || at.IsZero() {
		return errFull
	}
	r.left--
	r.frames = append(r.frames, bytes.Clone(frame))
	return nil
}

func TestRecord(t *testing.T) {
	var h Hub
	r := &memoryRecorder{left: 2}
	done := make(chan error, 1)
	go func() { done <- h.Record(t.Context(), r) }()
	eventually(t, "the recorder is there", func() bool { return h.count(isPort) == 1 })
	a := join(t, &h, QEMU)
	want := [][]byte{made(1, 0x600, 1, 61), made(1, 0x800, 2, 1300)}
	for _, f := range append(want, made(1, 0x600, 3, 60)) {
		a.send(f)
	}
	if err := <-done; !errors.Is(err, errFull) {
		t.Errorf("recording ended with %v", err)
	}
	if len(r.frames) != 2 || !bytes.Equal(r.frames[0], want[0]) || !bytes.Equal(r.frames[1], want[1]) {
		t.Errorf("recorded %x", r.frames)
	}
	r = &memoryRecorder{left: 9}
	go func() { done <- h.Record(t.Context(), r) }()
	eventually(t, "the recorder is there", func() bool { return h.count(isPort) == 2 })
	h.Finish()
	if err := <-done; err != nil {
		t.Errorf("recording ended with %v", err)
	}
}

func BenchmarkRepeat(b *testing.B) {
	var h Hub
	near, far, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		b.Fatal(err)
	}
	var lines sync.WaitGroup
	defer lines.Wait()
	defer near.Close()
	lines.Go(func() { h.Serve(context.Background(), far); far.Close() })
	for range 2 {
		to, line, err := socket.Pair(socket.Unix, socket.Stream, 0)
		if err != nil {
			b.Fatal(err)
		}
		defer to.Close()
		lines.Go(func() { h.Serve(context.Background(), line); line.Close() })
		lines.Go(func() { io.Copy(io.Discard, struct{ io.Reader }{to}) })
	}
	frame := NetHub.Append(nil, made(1, 0x600, 1, 590))
	b.SetBytes(590)
	b.ReportAllocs()
	for b.Loop() {
		near.Write(frame)
	}
}
