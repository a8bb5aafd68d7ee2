package xns

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// The NetHub's protocol: each Ethernet frame after its length in 2 octets, the
// most significant first. Clients are known that take no frame of more than
// 1024 octets, none of an odd number, and no part of one.
const (
	hubFrame     = 1024
	hubQueue     = 256                    // frames that wait to be sent; more are lost
	hubDial      = 3 * time.Second        // how long one attempt to connect may last
	hubWrite     = 10 * time.Second       // a hub that takes nothing for so long is left
	hubFlush     = 250 * time.Millisecond // how long Close waits for what is in the queue
	hubFirstWait = 250 * time.Millisecond
	hubLastWait  = 15 * time.Second
)

// hub is a client of a NetHub. While there is no connection WriteFrame fails
// with ENETUNREACH.
type hub struct {
	id      HostID
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	frames  chan *buffer  // from the hub
	flushed chan struct{} // closed when the last connection has ended, after Close
	all     sync.WaitGroup

	mu      sync.Mutex
	out     chan *buffer // to the hub; nil without a connection
	closing bool
	dial    func(context.Context) (net.Conn, error)
}

func openHub(ctx context.Context, id HostID, address string) (Link, error) {
	d := net.Dialer{Timeout: hubDial}
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	h := &hub{id: id, frames: make(chan *buffer, hubQueue), flushed: make(chan struct{}), dial: dial}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.connected()
	h.all.Go(func() { h.keep(c) })
	return h, nil
}

// connected makes a queue for a new connection, unless the link is closed.
func (h *hub) connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closing {
		h.out = make(chan *buffer, hubQueue)
	}
}

// disconnected ends the queue. What is in it is still sent if the connection
// can.
func (h *hub) disconnected(closing bool) (was bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = h.closing || closing
	if was = h.out != nil; was {
		close(h.out)
		h.out = nil
	}
	return was
}

func (h *hub) isClosing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closing
}

// queue returns that of the connection, nil once the link is closed.
func (h *hub) queue() chan *buffer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out
}

// keep serves a connection, and the next when it is lost, until Close.
func (h *hub) keep(c net.Conn) {
	for wait := hubFirstWait; ; {
		if c != nil {
			begun := time.Now()
			h.serve(c)
			c = nil
			if h.isClosing() {
				close(h.flushed)
				return
			}
			if time.Since(begun) > hubLastWait {
				wait = hubFirstWait
			}
		}
		select {
		case <-h.ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, hubLastWait)
		if next, err := h.dial(h.ctx); err == nil {
			h.connected()
			c = next
		}
	}
}

// serve moves frames in both directions until the connection fails.
func (h *hub) serve(c net.Conn) {
	stop := context.AfterFunc(h.ctx, func() { c.Close() })
	defer stop()
	out := h.queue()
	if out == nil {
		c.Close()
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		defer c.Close() // ends the reader
		for f := range out {
			c.SetWriteDeadline(time.Now().Add(hubWrite))
			_, err := c.Write(f.bytes())
			f.free()
			if err != nil {
				return
			}
		}
	})
	h.read(c)
	c.Close()
	h.disconnected(false)
	writer.Wait()
}

// read takes in frames until the connection ends or makes no sense.
func (h *hub) read(c net.Conn) {
	r := bufio.NewReaderSize(c, 16<<10)
	var frame [64 << 10]byte
	for {
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(r, frame[:n]); err != nil {
			return
		}
		packet, ours := ethernetPayload(frame[:n], h.id)
		if !ours || len(packet) > MaxPacket {
			continue
		}
		f := newBuffer()
		f.set(packet)
		select {
		case h.frames <- f:
		default:
			f.free()
		}
	}
}

func (h *hub) Host() HostID { return h.id }

func (h *hub) ReadFrame(b []byte) (int, error) {
	select {
	case f := <-h.frames:
		n := copy(b, f.bytes())
		f.free()
		return n, nil
	case <-h.ctx.Done():
		return 0, net.ErrClosed
	}
}

func (h *hub) WriteFrame(to HostID, packet []byte) error {
	if ethernetHeader+len(packet) > hubFrame {
		return syscall.EMSGSIZE
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closing:
		return net.ErrClosed
	case h.out == nil:
		return syscall.ENETUNREACH
	}
	f := newBuffer()
	f.n = 2 + putEthernet(f.data[2:], to, h.id, packet)
	binary.BigEndian.PutUint16(f.data[:], uint16(f.n-2))
	select {
	case h.out <- f:
	default:
		f.free()
	}
	return nil
}

func (h *hub) Close() error {
	if h.disconnected(true) {
		last := time.AfterFunc(hubFlush, h.cancel)
		<-h.flushed
		last.Stop()
	}
	h.cancel()
	h.all.Wait()
	return nil
}
