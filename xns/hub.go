package xns

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"zocalo/xns/hub"
)

// The times and bounds of a NetHub's client; package hub has the protocol.
const (
	hubQueue     = 256                    // frames that wait to be sent; more are lost
	hubDial      = 3 * time.Second        // how long one attempt to connect may last
	hubWrite     = 10 * time.Second       // a hub that takes nothing for so long is left
	hubFlush     = 250 * time.Millisecond // how long Close waits for what is in the queue
	hubFirstWait = 250 * time.Millisecond
	hubLastWait  = 15 * time.Second
)

// hubClient is a link by a NetHub. While there is no connection WriteFrame fails
// with ENETUNREACH.
type hubClient struct {
	id      HostID
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	frames  inbox         // from the hub
	flushed chan struct{} // closed when the last connection has ended, after Close
	all     sync.WaitGroup

	mu      sync.Mutex
	out     chan *buffer // to the hub; nil without a connection
	closing bool
	dial    func(context.Context) (net.Conn, error)
}

func openHub(ctx context.Context, id HostID, address string) (Link, error) {
	d := net.Dialer{Timeout: hubDial}
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	dial := func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, network, address) }
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	h := &hubClient{id: id, frames: make(inbox, hubQueue), flushed: make(chan struct{}), dial: dial}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.connected()
	h.all.Go(func() { h.keep(c) })
	return h, nil
}

// connected makes a queue for a new connection, unless the link is closed.
func (h *hubClient) connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closing {
		h.out = make(chan *buffer, hubQueue)
	}
}

// disconnected ends the queue. What is in it is still sent if the connection
// can.
func (h *hubClient) disconnected(closing bool) (was bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = h.closing || closing
	if was = h.out != nil; was {
		close(h.out)
		h.out = nil
	}
	return was
}

func (h *hubClient) isClosing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closing
}

// queue returns that of the connection, nil once the link is closed.
func (h *hubClient) queue() chan *buffer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out
}

// keep serves a connection, and the next when it is lost, until Close.
func (h *hubClient) keep(c net.Conn) {
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
func (h *hubClient) serve(c net.Conn) {
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
func (h *hubClient) read(c net.Conn) {
	r := hub.NewReader(c, hub.NetHub)
	var frame [hub.Longest]byte
	for {
		n, err := r.Next(frame[:])
		if err != nil {
			return
		}
		packet, ours := ethernetPayload(frame[:n], h.id)
		if !ours || len(packet) > MaxPacket {
			continue
		}
		h.frames.put(packet)
	}
}

func (h *hubClient) Host() HostID { return h.id }

func (h *hubClient) ReadFrame(b []byte) (int, error) {
	return h.frames.read(b, h.ctx.Done())
}

func (h *hubClient) WriteFrame(to HostID, packet []byte) error {
	if ethernetHeader+len(packet) > hub.MaxFrame {
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

func (h *hubClient) Close() error {
	if h.disconnected(true) {
		last := time.AfterFunc(hubFlush, h.cancel)
		<-h.flushed
		last.Stop()
	}
	h.cancel()
	h.all.Wait()
	return nil
}
