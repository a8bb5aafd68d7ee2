package xns

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"zocalo/socket/wait"
)

// The bounds of a connection, in packets.
const (
	maxWindow      = 512
	messagePackets = 56  // of one message; fewer than attentionAhead, so that urgent data passes one that waits
	attentionAhead = 60  // how far beyond the allocation an attention may be (4.3BSD)
	mostPieces     = 64  // of a message whose end does not come: then it is handed over in parts
	sendPackets    = 256 // sent and not acknowledged, or not sent yet
	urgentKept     = 64  // bytes of urgent data that wait; then the oldest is lost
)

const sppHeaders = HeaderSize + SPPHeaderSize

// maxSPPData is the default for the user's bytes in a packet (XSIS 028112).
const maxSPPData = DefaultPacket - sppHeaders

type state uint8

const (
	connecting  state = iota // asked, and not answered
	responding               // answered, and not heard since
	established              // until the end
	dead
)

// connectKey tells a connect packet from its repetitions.
type connectKey struct {
	from   Addr // without the network, which may be filled in or not
	id     uint16
	number uint16 // of the listening socket
}

// A conn is one SPP connection: the protocol alone, apart from the socket that
// uses it, so that it can outlive that while it closes. Its goroutine is
// whoever calls: the host with packets, the user, the timer.
type conn struct {
	host     *Host
	held     *sharedHost    // to be released at the end; nil for a host made by hand
	listener *listener      // of one that is responding
	key      connectKey     // of one that was made to this host,
	via      netip.AddrPort // and where on the Internet it was asked for from; zero where that is not known
	config   config
	stream   bool
	size     int // bytes of user data in a packet

	readable, writable, urgency wait.Bell
	changed                     wait.Bell     // the state is not connecting any more
	gone                        chan struct{} // closed when the state is dead

	mu          sync.Mutex
	state       state
	local, peer Addr
	id, peerID  uint16
	err         error // why it is dead; nil after a close
	hint        error // what an Error said that need not be the end
	abandoned   bool  // the user has closed it

	// What the ends have said of the end: packets of type 254 and 255.
	sentEnd, sentReply, gotEnd, gotReply bool

	send     sender
	train    [][]byte // packets that leave together; empty while mu is free
	receive  receiver
	timers   timers
	scratch  [sppHeaders]byte // of system packets
	lastSeen time.Duration    // when a packet came
}

// newConn makes a connection that is in no table yet.
func newConn(h *Host, cfg config, stream bool) *conn {
	c := &conn{
		host: h, config: cfg, stream: stream, size: cfg.mtu,
		readable: wait.NewBell(), writable: wait.NewBell(), urgency: wait.NewBell(), changed: wait.NewBell(), gone: make(chan struct{}),
	}
	if c.size == 0 {
		c.size = maxSPPData
	}
	for c.id == 0 || c.id == 0xffff {
		c.id = uint16(rand.Uint32())
	}
	c.timers.epoch = time.Now().Add(-1)
	c.send.window.init()
	c.receive.granted = uint16(cfg.window - 1)
	return c
}

// die ends the connection; err is why, nil after a close. The caller holds mu.
func (c *conn) die(err error) {
	if c.state == dead {
		return
	}
	was := c.state
	c.state, c.err = dead, err
	c.timers.stop()
	c.send.free()
	if err != nil || c.abandoned {
		c.receive.free()
	}
	c.host.forget(c)
	if was == responding {
		c.listener.lost(c)
	}
	if c.held != nil {
		shared.release(c.held, true)
	}
	c.readable.Ring()
	c.writable.Ring()
	c.urgency.Ring()
	c.changed.Ring()
	close(c.gone)
}

// forget takes a connection out of the tables.
func (h *Host) forget(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ports[c.local.Socket] == port(c) {
		delete(h.ports, c.local.Socket)
	}
	if h.passive[c.key] == c {
		delete(h.passive, c.key)
	}
}

func (c *conn) hostClosed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.die(syscall.ENETDOWN)
}

// failed takes in an Error about a packet of the connection.
func (c *conn) failed(f *fault) {
	hdr, _, err := ParseSPP(f.data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.state == dead || hdr.From != c.id || !c.peer.matches(f.header.To) {
		return
	}
	if c.state != connecting && hdr.To != c.peerID {
		return
	}
	errno := faultErrnos[f.number]
	switch {
	case f.number == errResourceLimit || f.number == errCongestion || f.number == errCongestion2:
		c.send.window.quench()
	case errno == 0:
	case c.state == connecting:
		c.die(errno)
	case f.number >= errTransit && f.number != errTooBig:
		c.hint = errno // it may pass
	case c.ending() && f.number != errTooBig:
		c.die(nil) // the peer has gone already
	case f.number == errTooBig:
		c.die(errno)
	default:
		c.die(syscall.ECONNRESET)
	}
}

// ending reports whether the peer may be gone without that being an error. The
// caller holds mu.
func (c *conn) ending() bool { return c.abandoned || c.gotEnd || c.gotReply }

// timedOut is the end of a connection whose peer does not answer. The caller
// holds mu.
func (c *conn) timedOut() {
	switch {
	case c.ending():
		c.die(nil)
	case c.hint != nil:
		c.die(c.hint)
	default:
		c.die(syscall.ETIMEDOUT)
	}
}

// finish begins the close: everything written, then 254, the peer's 255, and
// one more. It goes on in the background, and finish reports whether an end is
// near enough to wait for.
func (c *conn) finish() (near bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandoned = true
	if c.state == dead {
		c.receive.free()
		return false
	}
	if c.state != established {
		c.die(net.ErrClosed)
		return false
	}
	if !c.sentEnd && !c.sentReply {
		c.sentEnd = true
		c.enqueueControl(datastreamEnd)
	}
	c.timers.closing = c.now() + c.config.closeTime
	opened := c.discard()
	c.push()
	if c.state == established && opened {
		c.sendSystem(0)
	}
	c.checkOver()
	c.arm()
	return c.state != dead && (c.send.una != c.send.max || !before(c.send.alloc, c.send.next))
}

// checkOver ends the connection when both sides have said all that there is to
// say. While the user has not closed it, it stays to answer what was lost. The
// caller holds mu.
func (c *conn) checkOver() {
	if c.state == established && c.abandoned && c.sentReply && c.gotReply && c.send.una == c.send.end {
		c.die(nil)
	}
}

// abort ends the connection at once, and tells the peer by a reset.
func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == dead {
		return
	}
	if c.state != connecting {
		c.sendReset()
	}
	c.abandoned = true
	c.die(net.ErrClosed)
}

// giveWay ends the connection if its peer has not confirmed it: another needs the
// place. The peer is told nothing, for it need not exist.
func (c *conn) giveWay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == responding {
		c.die(syscall.ECONNABORTED)
	}
}
