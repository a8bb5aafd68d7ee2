package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// A requester makes the requests of one flow, numbered from 0. Over a kind
// that may lose messages each carries its number; over others answers come in
// order.
type requester struct {
	*trips
	flow  *flow
	shard *shard
	late  *shard // of an open loop
	pace  pacer

	request  []byte
	expected []byte // where content is checked
	conn     conn
}

// A conn is what requests go over: a socket or, where a thread may wait for
// it, its descriptor alone.
type conn interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	// renew makes calls from now on fail after the patience.
	renew(patience time.Duration)
}

// A plainConn is a socket.
type plainConn struct {
	*socket.Socket
	deadline coarseDeadline
}

func (c *plainConn) renew(patience time.Duration) { c.deadline.renew(c.Socket, patience) }

func (x *requester) run() error {
	x.request = make([]byte, x.flow.ask.size)
	fill(x.request, 0)
	x.conn = &plainConn{Socket: x.flow.socket}
	var err error
	if x.options.Mode == AtRate || x.options.Depth > 1 {
		err = x.pipelined()
	} else if give, ok := x.block(); ok {
		err = errors.Join(x.closed(), give())
	} else {
		err = x.closed()
	}
	if x.stop.Load() && errors.Is(err, net.ErrClosed) {
		return errGivenUp
	}
	return x.blame(err)
}

// blame says what went wrong in the words of the run.
func (x *requester) blame(err error) error {
	switch {
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s ended the connection", x.flow.peer())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%s: no answer for %s", x.flow.peer(), units.Set(x.options.Patience))
	}
	return err
}

// lossPatience is how long an answer is waited for that may be lost.
func (o *Options) lossPatience() time.Duration { return o.Patience / 5 }

// patience is how long an answer is waited for.
func (x *requester) patience() time.Duration {
	if x.flow.mayLose() {
		return x.options.lossPatience()
	}
	return x.options.Patience
}

// prepare makes the request of that number.
func (x *requester) prepare(number uint64) {
	if x.options.Verify {
		fill(x.request, number)
	}
	if x.flow.mayLose() {
		binary.BigEndian.PutUint64(x.request, number)
	}
}

// check sees whether the answer to the request of that number is what was sent.
func (x *requester) check(answer []byte, number uint64) {
	if !x.options.Verify {
		return
	}
	if x.expected == nil {
		x.expected = make([]byte, len(x.request))
	}
	fill(x.expected, number)
	if x.flow.mayLose() {
		binary.BigEndian.PutUint64(x.expected, number)
	}
	if !bytes.Equal(answer, x.expected) {
		x.corrupt.Add(1)
	}
}

// closed makes one request after the other.
func (x *requester) closed() error {
	buffer := make([]byte, len(x.request)+1)
	for n := uint64(0); !x.stop.Load() && (x.flow.ask.count == 0 || n < uint64(x.flow.ask.count)); n++ {
		x.prepare(n)
		x.conn.renew(x.patience())
		start := time.Now()
		x.asked(start)
		if err := x.send(); err != nil {
			return err
		}
		answer, err := x.receive(buffer, n)
		switch {
		case err == nil:
			x.answer(x.shard, start, time.Now(), len(answer))
			x.check(answer, n)
		case errors.Is(err, os.ErrDeadlineExceeded) && x.flow.mayLose():
			x.conn.renew(0)
		default:
			return err
		}
	}
	return nil
}

// send sends the request. A system without room for it loses it.
func (x *requester) send() error {
	_, err := x.conn.Write(x.request)
	if errors.Is(err, syscall.ENOBUFS) && x.flow.mayLose() {
		return nil
	}
	return err
}

// receive waits for the answer to the request of that number.
func (x *requester) receive(buffer []byte, number uint64) ([]byte, error) {
	size := len(x.request)
	switch {
	case !x.flow.kind.Bounded:
		_, err := io.ReadFull(x.conn, buffer[:size])
		return buffer[:size], err
	case !x.flow.mayLose():
		n, err := x.conn.Read(buffer)
		if err == nil && n != size {
			err = fmt.Errorf("an answer of %d bytes to %d", n, size)
		}
		return buffer[:n], err
	}
	for {
		n, err := x.conn.Read(buffer)
		if err != nil && !errors.Is(err, socket.ErrTruncated) {
			return nil, err
		}
		if n >= numberSize && binary.BigEndian.Uint64(buffer) == number {
			return buffer[:n], nil
		}
		x.repeated.Add(1)
	}
}
