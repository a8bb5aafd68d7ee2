package xns

import (
	"math/rand/v2"
	"time"

	"zocalo/socket/wait"
)

// A reset is the Error that a packet to a socket draws once its connection is gone,
// sent before there is such a packet. Nothing acknowledges it, many can leave at
// once, and a peer that has nothing to send would learn of a lost one only by its
// keepalive: so it is sent again, at growing intervals.
const (
	resetTimes = 4
	resetFirst = 100 * time.Millisecond // to the second; then four times as long
)

type reset struct {
	host   *Host
	header Header // of the packet that is quoted
	quote  [sppHeaders]byte
	hop    HostID
	times  int
	pause  time.Duration
}

// sendReset quotes a packet as the peer could have sent it. However many
// connections are reset at once, each peer is told: it may never send what would
// draw another Error. The caller holds mu.
func (c *conn) sendReset() {
	r := &reset{host: c.host, hop: c.config.gateway, pause: resetFirst}
	r.header = Header{Length: sppHeaders, Type: TypeSPP, To: c.local, From: c.peer}
	r.header.put(r.quote[:])
	spp := SPPHeader{Control: ControlSystem, From: c.peerID, To: c.id, Sequence: c.receive.next, Ack: c.send.una, Allocation: c.send.alloc}
	spp.put(r.quote[HeaderSize:])
	seal(r.quote[:])
	r.send()
}

// send sends the reset, and sees to it that it is sent again. The intervals differ,
// so that many that were lost together are not lost together again.
func (r *reset) send() {
	if wait.IsClosed(r.host.done) {
		return
	}
	r.host.tellError(&r.header, r.quote[:], errNoSocket, 0, r.hop)
	if r.times++; r.times < resetTimes {
		pause := r.pause
		r.pause *= 4
		time.AfterFunc(pause+rand.N(pause), r.send)
	}
}
