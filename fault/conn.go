package fault

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/relay"
	"zocalo/relay/join"
)

// Conn returns a connection over c, which it owns from then on, with the faults of the plan: what is
// written is [Up], what is read [Down], and pair is its number. It carries bytes as c does; over a
// connection that keeps message boundaries, such as unixpacket, each Write and each Read is a message.
//
// A Write returns once there is room for what it writes; what it holds is written later. Close lets what is held be written, and
// what has no time to be written, as with [Stall], is dropped. CloseWrite is there where c has it. A reset is one where c can do that
// (SetLinger), and else a close.
func (p *Plan) Conn(c net.Conn, pair int64) net.Conn {
	w := &conn{Conn: c}
	like := relay.Piece{What: join.Bytes}
	if a := c.LocalAddr(); a != nil && (a.Network() == "unixpacket" || a.Network() == "unixgram" || a.Network() == "udp") {
		like.What = join.Message
	}
	w.like = like
	w.up = p.newLine(pair, relay.A, true, like, w.write)
	w.up.async = true
	w.down = p.newLine(pair, relay.B, true, like, w.came)
	w.in.init()
	if _, can := c.(closeWriter); can {
		return halfCloser{w}
	}
	return w
}

type closeWriter interface{ CloseWrite() error }

// A conn is one with faults.
type conn struct {
	net.Conn
	like     relay.Piece
	up, down *line
	in       inbox

	writing sync.Mutex // one Write at a time
	reading sync.Once  // begins to read from Conn
	closed  sync.Once
	ended   sync.Once // Conn is closed
}

// halfCloser is one that can be closed for writing alone.
type halfCloser struct{ *conn }

// CloseWrite lets what is held be written, and then closes for writing. It does not wait.
func (c halfCloser) CloseWrite() error {
	c.up.mu.Lock()
	defer c.up.mu.Unlock()
	if c.up.over {
		return c.failed("close", c.up.err)
	}
	c.up.finish()
	return nil
}

func (c *conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// write takes an item that leaves to the connection.
func (c *conn) write(it *item) error {
	switch it.kind {
	case end:
		if half, can := c.Conn.(closeWriter); can {
			return half.CloseWrite()
		}
		return nil
	case closing, resetting:
		return c.cut(it)
	}
	_, err := c.Conn.Write(it.p.Data)
	return beneath(err)
}

// beneath is the error of a call without what it was of.
func beneath(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// came takes an item that has come to the reader.
func (c *conn) came(it *item) error {
	switch it.kind {
	case end:
		c.in.end(io.EOF)
		return nil
	case closing, resetting:
		return c.cut(it)
	}
	return c.in.put(it, c.like.What == join.Message)
}

// cut ends the connection for a fault.
func (c *conn) cut(it *item) error {
	err := error(syscall.ECONNRESET)
	if it.kind == closing {
		err = io.EOF
		if half, can := c.Conn.(closeWriter); can {
			half.CloseWrite()
		}
	} else if l, can := c.Conn.(interface{ SetLinger(int) error }); can {
		l.SetLinger(0)
	}
	c.in.end(err)
	c.end()
	return &ended{it.p.Why}
}

// An ended is why nothing is written any more: a fault.
type ended struct{ why error }

func (e *ended) Error() string   { return e.why.Error() }
func (e *ended) Unwrap() []error { return []error{e.why, syscall.ECONNRESET} }

// end closes the connection beneath.
func (c *conn) end() (err error) {
	c.ended.Do(func() { err = c.Conn.Close() })
	return err
}

func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	p := c.like
	p.Data = b
	if err := c.up.bring(p, nil); err != nil {
		return 0, c.failed("write", err)
	}
	return len(b), nil
}

func (c *conn) Read(b []byte) (int, error) {
	c.reading.Do(func() { go c.read() })
	n, _, err := c.in.take(b)
	if err != nil && err != io.EOF {
		err = c.failed("read", err)
	}
	return n, err
}

// read brings what comes.
func (c *conn) read() {
	size := 32 << 10
	if c.like.What == join.Message {
		size = 64 << 10
	}
	b := make([]byte, size)
	for {
		n, err := c.Conn.Read(b)
		if n > 0 || err == nil && c.like.What == join.Message {
			p := c.like
			p.Data = b[:n]
			if c.down.bring(p, nil) != nil {
				return
			}
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded): // of a deadline that c had before
			c.Conn.SetReadDeadline(time.Time{})
			continue
		case err == io.EOF:
			c.down.mu.Lock()
			c.down.finish()
			c.down.mu.Unlock()
			return
		}
		c.in.end(beneath(err))
		return
	}
}

// Close ends all calls at once.
func (c *conn) Close() error {
	err := c.failed("close", net.ErrClosed)
	c.closed.Do(func() {
		err = nil
		c.in.close()
		c.down.stop()
		if !c.up.close(c.Conn, c.end) {
			err = c.end()
			c.up.stop()
		}
	})
	return err
}

// lingering is how long what is held by then may take to be written, once its time has come.
const lingering = 30 * time.Second

// close has an end follow what is held, in a goroutine of its own, and after called then. It reports false where nothing
// is held, or has no time to leave.
func (l *line) close(c interface{ SetWriteDeadline(time.Time) error }, after func() error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.now()
	for _, s := range l.stations {
		at, holds := s.first()
		if holds && at == forever {
			return false
		}
		last = max(last, at, s.last)
	}
	if l.over || !l.holds() && len(l.ready) == 0 && !l.sending {
		return false
	}
	c.SetWriteDeadline(l.start.Add(last + lingering))
	l.finish()
	go func() {
		l.mu.Lock()
		l.awaitEnd()
		l.mu.Unlock()
		after()
		l.stop()
	}()
	return true
}

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error { return c.in.deadline(t) }

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.up.setLate(t)
	return nil
}
