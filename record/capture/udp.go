package capture

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/socket"
)

// A udp is what passed between two UDP sockets.
type udp struct {
	flow
	last [2]sighting
}

// A sighting is what was seen last of a side: a capture of all interfaces sees a datagram at
// each that it passes.
type sighting struct {
	sum        uint64
	at         time.Time
	way, iface uint32
	seen       bool
}

// twice is within what time a datagram passes all interfaces.
const twice = 10 * time.Millisecond

var seed = maphash.MakeSeed()

func (r *reader) udp(p *pcapng.Packet, d datagram, found packet) bool {
	const header = 8
	if len(d.data) < header {
		return false
	}
	b := d.data
	from := netip.AddrPortFrom(d.from, binary.BigEndian.Uint16(b))
	to := netip.AddrPortFrom(d.to, binary.BigEndian.Uint16(b[2:]))
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < header { // 0 is a train of datagrams for the card to cut
		length = d.length
	}
	b = b[header:min(length, len(b))]
	lacks := min(length, d.length) - header - len(b)
	if slices.ContainsFunc(p.Comments, func(c string) bool { return strings.HasPrefix(c, cutMessage) }) {
		lacks = max(1, p.Length-len(p.Data))
	}

	k := keyOf(protoUDP, from, to)
	if _, not := r.open[k].(unwanted); not {
		return true
	}
	u, _ := r.open[k].(*udp)
	if u == nil {
		client, server := guess(from, to)
		u = &udp{flow: r.begin(p, "udp", socket.Datagram, Endpoint{Addr: client}, Endpoint{Addr: server})}
		u.c.Opened, u.c.Stood = true, true
		r.keep(k, u, 0)
	}
	if !u.wanted {
		return true
	}
	side, at := u.side(from), u.seen()
	now := sighting{sum: maphash.Bytes(seed, found.data), at: r.now, way: found.way, iface: found.iface, seen: true}
	before := u.last[side]
	if before.seen && before.sum == now.sum && now.at.Sub(before.at) < twice && (before.way != now.way || before.iface != now.iface) {
		u.c.Retransmitted++
		return true
	}
	u.last[side] = now
	if lacks > 0 {
		u.c.Missing += int64(lacks)
		u.event(side, Event{At: at, What: Gap, Size: int64(lacks)})
		return true
	}
	u.event(side, Event{At: at, What: Message, Data: b})
	return true
}
