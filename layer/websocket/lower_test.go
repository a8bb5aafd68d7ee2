package websocket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"zocalo/socket"
)

// A beneath is a connection whose peer is the test: what is written goes to a func, which
// says what the peer takes of it.
type beneath struct {
	net.Conn
	write        func(b []byte) (int, error)
	deadline     func(time.Time) // of writing, or of both
	readDeadline func(time.Time)
	ended        chan struct{} // closed by CloseWrite, once

	mu   sync.Mutex
	took bytes.Buffer
}

func (c *beneath) Write(b []byte) (n int, err error) {
	n = len(b)
	if c.write != nil {
		n, err = c.write(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took.Write(b[:n])
	return n, err
}

func (c *beneath) SetDeadline(t time.Time) error {
	c.SetWriteDeadline(t)
	return c.SetReadDeadline(t)
}

func (c *beneath) SetReadDeadline(t time.Time) error {
	if c.readDeadline != nil {
		c.readDeadline(t)
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *beneath) SetWriteDeadline(t time.Time) error {
	if c.deadline != nil {
		c.deadline(t)
	}
	return nil
}

func (c *beneath) CloseWrite() error {
	close(c.ended)
	return nil
}

// over returns an endpoint of a server over such a connection, and its socket.
func over(t *testing.T, c *beneath, p prepared) (*endpoint, *socket.Socket) {
	t.Helper()
	a, b := net.Pipe()
	c.Conn, c.ended = a, make(chan struct{})
	lower, err := socket.FromConn(c)
	if err != nil {
		t.Fatal(err)
	}
	p.passive, p.maxMessage = true, 1<<20
	if p.layer == nil {
		p.layer = messageLayer
	}
	e := p.endpoint(lower)
	s := p.socket(e, p.deflate, nil)
	t.Cleanup(func() { b.Close(); s.Abort() })
	return e, s
}

// takes checks which frames the peer has taken.
func (c *beneath) takes(t *testing.T, want ...ws.Frame) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range want {
		h, err := ws.ReadHeader(&c.took)
		payload := c.took.Next(int(h.Length))
		if err != nil || h.OpCode != w.Header.OpCode || !bytes.Equal(payload, w.Payload) {
			t.Fatalf("frame %d is %v, %.20q, %v; want %v, %.20q", i, h, payload, err, w.Header, w.Payload)
		}
	}
	if n := c.took.Len(); n > 0 {
		t.Fatalf("%d bytes more: %.100q", n, c.took.Bytes())
	}
}

// A ping that comes while a long message is on its way is answered behind it.
func TestPongBehindMessage(t *testing.T) {
	c := &beneath{}
	e, s := over(t, c, prepared{})
	c.write = func(b []byte) (int, error) {
		if e.out.sent == 0 && len(b) == bufferSize { // in the middle of the message
			e.out.leavePong([]byte("there?"))
		}
		return len(b), nil
	}
	data := bytes.Repeat([]byte("0123456789"), 8<<10)
	if n, err := s.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	c.takes(t, ws.NewBinaryFrame(data), ws.NewPongFrame([]byte("there?")))
}

// A message that was taken whole is sent, whatever becomes of the answer to a ping behind it;
// nothing but that answer is left.
func TestDeadlineBehindMessage(t *testing.T) {
	for _, held := range []int{0, 1, 2} {
		c := &beneath{}
		e, _ := over(t, c, prepared{})
		c.write = func(b []byte) (int, error) {
			if c.took.Len() > 0 {
				return 0, os.ErrDeadlineExceeded
			}
			e.out.leavePong([]byte("there?"))
			return len(b), nil
		}
		message := ws.NewBinaryFrame([]byte("once"))
		var want []ws.Frame
		for range held {
			e.out.message(message.Header, [][]byte{message.Payload}, true)
			want = append(want, message)
		}
		if begun, err := e.out.message(message.Header, [][]byte{message.Payload}, false); !begun || err != nil {
			t.Errorf("a message behind %d: begun %v, %v", held, begun, err)
		}
		c.write = nil
		if err := e.out.flush(); err != nil {
			t.Fatal(err)
		}
		c.takes(t, append(want, message, ws.NewPongFrame([]byte("there?")))...)
	}
}

// Close has the peer take what a Write has told to be sent, although its deadline passed, or
// somebody pushes it; what a Write has told to have failed stays cut.
func TestCloseAfterDeadline(t *testing.T) {
	message := ws.NewBinaryFrame([]byte("0123456789"))
	t.Run("pushed", func(t *testing.T) {
		c := &beneath{}
		_, s := over(t, c, prepared{})
		pushed, over := make(chan struct{}), make(chan struct{})
		calls := 0
		c.write = func(b []byte) (int, error) {
			switch calls++; calls {
			case 1: // the Write
				return 5, os.ErrDeadlineExceeded
			case 2: // who pushes
				close(pushed)
				<-over
				return 1, os.ErrDeadlineExceeded
			}
			return len(b), nil
		}
		c.deadline = func(d time.Time) {
			if d == past { // of Close
				close(over)
			}
		}
		if n, err := s.Write(message.Payload); n != len(message.Payload) || err != nil {
			t.Fatal(n, err)
		}
		<-pushed
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.takes(t, message, ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
	})
	t.Run("cut", func(t *testing.T) {
		c := &beneath{}
		_, s := over(t, c, prepared{})
		begun, over := make(chan struct{}), make(chan struct{})
		c.write = func(b []byte) (int, error) {
			close(begun)
			<-over
			return 5, os.ErrDeadlineExceeded
		}
		c.deadline = func(d time.Time) {
			if d == past {
				close(over)
			}
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := s.Write(message.Payload)
			wrote <- err
		}()
		<-begun
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-wrote; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write that Close interrupts: %v", err)
		}
		if n := c.took.Len(); n != 5 {
			t.Errorf("%d bytes have left; want 5", n)
		}
	})
}

// Silence is held against a peer only behind a ping that was sent: not after our Close frame,
// nor while nobody has come to send it.
func TestSilence(t *testing.T) {
	pinged := func(e *endpoint) error {
		e.pinging.every, e.pinging.timer = 1, time.AfterFunc(time.Hour, func() {})
		e.reader.in.asks.Store(now())
		for range 3 {
			e.ping()
		}
		if broken := e.broken.Load(); broken != nil {
			return *broken
		}
		return nil
	}
	c := &beneath{}
	e, s := over(t, c, prepared{})
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := pinged(e); err != nil {
		t.Errorf("after our Close frame: %v", err)
	}
	c.takes(t, ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))

	e, _ = over(t, &beneath{}, prepared{})
	e.toPush = true // by somebody who does not get to it
	if err := pinged(e); err != nil {
		t.Errorf("before the ping was sent: %v", err)
	}
}

// A Close frame that a deadline interrupts ends the connection beneath once it is taken.
func TestCloseFrameLate(t *testing.T) {
	c := &beneath{}
	e, s := over(t, c, prepared{})
	if err := e.closedBy(closure{code: 1000}); err != io.EOF {
		t.Fatal(err)
	}
	calls := 0
	c.write = func(b []byte) (int, error) {
		if calls++; calls == 1 {
			return 1, os.ErrDeadlineExceeded
		}
		return len(b), nil
	}
	if err := s.CloseWrite(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("CloseWrite: %v; want a deadline that has passed", err)
	}
	select {
	case <-c.ended:
	case <-time.After(20 * time.Second):
		t.Error("the connection beneath has no end")
	}
	c.takes(t, ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
}

// A Close frame that is due while something before it cannot leave is sent later.
func TestAnswerBehindWhatWaits(t *testing.T) {
	c := &beneath{}
	calls := 0
	c.write = func(b []byte) (int, error) {
		if calls++; calls == 1 {
			return 0, os.ErrDeadlineExceeded
		}
		return len(b), nil
	}
	e, _ := over(t, c, prepared{closeTimeout: time.Millisecond})
	e.writing.Lock()
	e.out.control(ws.OpPong, []byte("before"))
	if err := e.closedBy(closure{code: 1000}); err != io.EOF {
		t.Fatal(err)
	}
	e.writing.Unlock()
	select {
	case <-c.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the connection beneath has no end")
	}
	c.takes(t, ws.NewPongFrame([]byte("before")), ws.NewCloseFrame(ws.NewCloseFrameBody(1011, "this end did not finish within close-timeout=1ms")))
}

// A deadline that is set meanwhile does not undo the end of reading.
func TestShutdownReadDeadline(t *testing.T) {
	c := &beneath{}
	_, s := over(t, c, prepared{})
	user := time.Now().Add(time.Hour)
	shut := make(chan struct{})
	var last time.Time
	c.readDeadline = func(d time.Time) {
		if d == user {
			go func() {
				defer close(shut)
				s.Shutdown(socket.ShutdownRead)
			}()
			for range 1000 { // the other has every chance to go first, which it must not
				runtime.Gosched()
			}
		}
		last = d
	}
	if err := s.SetReadDeadline(user); err != nil {
		t.Fatal(err)
	}
	<-shut
	if last != past {
		t.Errorf("the last deadline is %v", last)
	}
}

// The offset in the mask does not grow with the frame, which may be longer than an int.
func TestMaskOffset(t *testing.T) {
	r := reading{frame: ws.Header{Masked: true, Mask: [4]byte{1, 2, 3, 4}}}
	b := make([]byte, 4*3*5*7)
	for rest := b; len(rest) > 0; {
		for _, n := range []int{1, 2, 4, 5, 3, 6} {
			n = min(n, len(rest))
			r.unmask(rest[:n])
			if rest = rest[n:]; r.offset > 3 {
				t.Fatalf("the offset is %d", r.offset)
			}
		}
	}
	if !bytes.Equal(b, bytes.Repeat([]byte{1, 2, 3, 4}, 3*5*7)) {
		t.Errorf("unmasked to % x", b)
	}
}
