package xns

import (
	"errors"
	"syscall"
)

// input takes in a packet for the socket of a connection.
func (c *conn) input(hdr *Header, data []byte, b *buffer) (kept bool) {
	if hdr.Type != TypeSPP {
		c.host.sendError(hdr, b, errInvalidType, 0)
		return false
	}
	spp, data, err := ParseSPP(data)
	if err != nil || hdr.To.Host.isGroup() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.expects(hdr, &spp) {
		return false
	}
	c.seen()
	if spp.Control&ControlSystem == 0 {
		kept = c.sequenced(hdr, &spp, data, b)
	} else if spp.Control&ControlSendAck != 0 {
		defer c.answerProbe()
	}
	if c.state == established {
		c.acknowledged(&spp)
	}
	c.arm()
	return kept
}

// answerProbe answers a packet that only wants to know. The caller holds mu.
func (c *conn) answerProbe() {
	if c.state == established {
		c.sendSystem(0)
	}
}

// expects reports whether a packet belongs to the connection, which it may be
// the one to establish. The caller holds mu.
func (c *conn) expects(hdr *Header, spp *SPPHeader) bool {
	switch c.state {
	case connecting:
		// The answer comes from another socket, which is the peer from then
		// on.
		if spp.Control&ControlSystem == 0 || spp.To != c.id || spp.From == 0 || hdr.From.Host != c.peer.Host {
			return false
		}
		c.peer, c.peerID = hdr.From, spp.From
		c.establish(spp)
		if spp.Control&ControlSendAck == 0 {
			c.sendSystem(0)
		}
		c.changed.Ring()
		return true
	case responding:
		if spp.To != c.id || spp.From != c.peerID || !c.peer.matches(hdr.From) {
			return false
		}
		c.establish(spp)
		c.listener.established(c)
		return true
	case established:
		return spp.To == c.id && spp.From == c.peerID && c.peer.matches(hdr.From)
	}
	return false
}

// establish begins the life of a connection. The caller holds mu.
func (c *conn) establish(spp *SPPHeader) {
	c.state = established
	c.timers.handshake = 0
	c.send.alloc = spp.Allocation
	if c.config.keepalive > 0 {
		c.timers.alive = c.now() + c.config.keepalive
	}
}

// connect asks the peer for a connection. An error says that there is no way
// to it.
func (c *conn) connect(to Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer, c.state = to, connecting
	err := c.sendSystem(ControlSendAck)
	if errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EMSGSIZE) {
		c.die(err)
		return err
	}
	c.timers.handshake = c.now() + connectFirst
	c.arm()
	return nil
}

// outcome says how connecting ended, once it has.
func (c *conn) outcome() (over bool, peer Addr, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case connecting:
		return false, peer, nil
	case dead:
		if err = c.err; err == nil {
			err = syscall.ECONNRESET
		}
		return true, peer, err
	}
	return true, c.peer, nil
}

// respond answers who asked for this connection.
func (c *conn) respond(hdr *Header, spp *SPPHeader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer, c.peerID, c.state = hdr.From, spp.From, responding
	c.sendSystem(ControlSendAck)
	c.timers.handshake = c.now() + answerFirst
	c.arm()
}

// askedAgain answers a repetition of the packet that asked for this
// connection.
func (c *conn) askedAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == responding || c.state == established {
		c.sendSystem(ControlSendAck)
	}
}
