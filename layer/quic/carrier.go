package quic

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	quicgo "github.com/quic-go/quic-go"
	"golang.org/x/net/ipv4"

	"zocalo/internal/pass"
	"zocalo/socket"
	"zocalo/socket/option"
)

// wholeConn is what quic-go looks for in a net.PacketConn, so as to read in batches,
// send in trains and mark for ECN.
type wholeConn interface {
	quicgo.OOBCapablePacketConn
	net.Conn
	SetWriteBuffer(int) error
}

// A carrier is a UDP socket as quic-go reads and writes it. What the network says of a
// datagram that found nobody ends whoever is connecting to there; quic-go would end all
// that share the socket.
type carrier struct {
	wholeConn
	udp   *socket.Socket
	batch *ipv4.PacketConn
	given [2]bool // the sizes of the buffers are the address's
	sized atomic.Bool

	mu       sync.Mutex
	awaiting map[socket.Name]map[*func(error)]struct{} // who is told, by the name connected to
}

func newCarrier(udp *socket.Socket, p *prepared) *carrier {
	whole := udp.PacketConn().(wholeConn)
	c := &carrier{wholeConn: whole, udp: udp, batch: ipv4.NewPacketConn(whole), given: p.buffers, awaiting: map[socket.Name]map[*func(error)]struct{}{}}
	if option.ReceiveErrors.Set(udp, true) == nil { // Linux has it
		go c.listen()
	}
	return c
}

// listen takes what the network says of what was sent, until the socket is closed.
func (c *carrier) listen() {
	var m socket.Message // for none of the data that comes back with it
	for {
		if err := c.udp.ReceiveError(&m); err != nil && !errors.Is(err, socket.ErrTruncated) {
			return
		}
		if errno := m.Ancillary.Error.Errno; pass.IsUnreachable(errno) {
			c.tell(m.Peer, errno)
		}
	}
}

func (c *carrier) tell(peer socket.Name, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.awaiting[peer] {
		(*f)(err)
	}
}

// await has f told that peer cannot be reached, until stop.
func (c *carrier) await(peer socket.Name, f func(error)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaiting[peer] == nil {
		c.awaiting[peer] = map[*func(error)]struct{}{}
	}
	c.awaiting[peer][&f] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.awaiting[peer], &f)
		if len(c.awaiting[peer]) == 0 {
			delete(c.awaiting, peer)
		}
	}
}

// ReadBatch is what quic-go reads by where the system can read in batches.
func (c *carrier) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	for {
		n, err := c.batch.ReadBatch(ms, flags)
		if err == nil || !pass.IsUnreachable(err) {
			return n, err
		}
	}
}

// WriteMsgUDP takes what the network says for a loss: the system may say at any call what an
// earlier datagram met, of whatever connection. Only who is connecting is told.
func (c *carrier) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	const tries = 3 // of each, some may answer for others
	for range tries {
		n, oobn, err = c.wholeConn.WriteMsgUDP(b, oob, to)
		if err == nil || !pass.IsUnreachable(err) {
			return n, oobn, err
		}
	}
	var errno syscall.Errno
	if peer, nameErr := socket.NameOf(to); nameErr == nil && errors.As(err, &errno) && errno != syscall.ECONNREFUSED {
		c.tell(peer, errno) // there is no way to it
	}
	return len(b), len(oob), nil
}

// SyscallConn gives quic-go no descriptor before it has set both buffers, so that it
// does not measure them: it would write about small ones to standard error.
func (c *carrier) SyscallConn() (syscall.RawConn, error) {
	if !c.sized.Load() {
		return nil, net.ErrClosed
	}
	return c.wholeConn.SyscallConn()
}

// SetReadBuffer enlarges the buffer as far as the system lets it, unless the address says
// how large it is.
func (c *carrier) SetReadBuffer(size int) error {
	if !c.given[0] {
		enlarge(c.udp, option.ReceiveBuffer, forceReceiveBuffer, size)
	}
	return nil
}

// SetWriteBuffer is the last of what quic-go sets before it wants the descriptor.
func (c *carrier) SetWriteBuffer(size int) error {
	if !c.given[1] {
		enlarge(c.udp, option.SendBuffer, forceSendBuffer, size)
	}
	c.sized.Store(true)
	return nil
}

// enlarge asks for what everybody may have, and where that is less, for what CAP_NET_ADMIN may.
func enlarge(udp *socket.Socket, o *option.Option[int], force func(*socket.Socket, int), size int) {
	if now, err := o.Get(udp); err != nil || now >= size {
		return
	}
	o.Set(udp, size)
	if now, err := o.Get(udp); err == nil && now < size {
		force(udp, size)
	}
}
