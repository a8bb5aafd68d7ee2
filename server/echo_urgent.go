package server

import (
	"context"
	"io"
	"net"
	"sync"

	"zocalo/socket"
)

// setInline asks the system to leave urgent data in the stream, and reports
// whether it does. A descriptor of the endpoint's own is what tells a stream
// of the system's: on a layer the option would reach the stream beneath it,
// whose urgent data is none of ours.
func setInline(c *socket.Socket) bool {
	if _, ok := socket.As[socket.Descriptor](c); !ok {
		return false
	}
	if _, ok := socket.As[socket.Messenger](c); !ok {
		return false
	}
	return socket.OOBInline.Set(c, true) == nil
}

// echoInline is echo for a stream whose urgent octet stays at its place.
//
// A read stops before the urgent octet, but one that begins there takes
// what follows with it and does not tell. So each read waits first, leaving
// what comes in the queue, and then asks whether that is the urgent octet: if it
// is not, none can come before it any more, and the read is safe.
func (e *Echoer) echoInline(c *socket.Socket) error {
	m, _ := socket.As[socket.Messenger](c) // not through c, whose trace shows what is read and not what is waited for
	var first [1]byte
	var wait socket.Message
	return e.copy(c, func(b []byte) (int, error) {
		for {
			wait.SetData(first[:])
			wait.Flags = socket.Peek
			if err := m.Receive(&wait); err != nil && err != io.EOF {
				return 0, &net.OpError{Op: "read", Net: c.Kind().String(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
			}
			if at, err := c.AtMark(); err != nil || !at {
				return c.Read(b)
			}
			n, err := c.Read(b[:1])
			if err != nil {
				return n, err
			}
			if _, err := c.SendUrgent(b[:n]); err != nil {
				return 0, err
			}
			e.octets.Add(int64(n))
		}
	})
}

// echoBeside is echo for a kind whose urgent data travels beside its stream or
// its messages: what is urgent goes back as soon as it comes, by a goroutine of
// its own, which ends with the connection.
func (e *Echoer) echoBeside(c *socket.Socket) error {
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	ends := func(err error) {
		if err != nil {
			fail(err)
			c.SetDeadline(past) // ends the other goroutine's call as well
		}
	}
	var watcher sync.WaitGroup
	watcher.Go(func() { ends(e.echoUrgent(ctx, c)) })
	ends(e.echoOrdinary(c))
	watcher.Wait() // at the end of the connection it ends by itself, with what was urgent sent back
	return context.Cause(ctx)
}

func (e *Echoer) echoUrgent(ctx context.Context, c *socket.Socket) error {
	b := make([]byte, c.Properties().Urgent)
	for {
		n, err := c.ReceiveUrgent(ctx, b)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			_, err = c.SendUrgent(b[:n])
		}
		if err != nil {
			return err
		}
		e.octets.Add(int64(n))
	}
}
