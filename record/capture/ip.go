package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// The protocols above IP, and the headers between, by their numbers
// (iana.org/assignments/protocol-numbers).
const (
	protoHopByHop    = 0
	protoTCP         = 6
	protoUDP         = 17
	protoRouting     = 43
	protoFragment    = 44
	protoAuth        = 51
	protoDestination = 60
	protoMobility    = 135
	protoHIP         = 139
	protoShim6       = 140
)

// A datagram is what IP carried.
type datagram struct {
	from, to netip.Addr
	protocol byte
	data     []byte
	length   int // of data where all of it had been kept
}

// fragmentKey tells which fragments belong together (RFC 791, RFC 8200).
type fragmentKey struct {
	from, to netip.Addr
	id       uint32
	protocol byte
}

// parts are fragments that wait for the others.
type parts struct {
	began  time.Time
	pieces []piece // in the order of their offsets, none of which overlap
	total  int     // -1 until the last is there
	bytes  int
}

type piece struct {
	at   int
	data []byte
}

// The bounds of fragments that wait: as many packets, for as long, as Linux keeps.
const (
	maxParts     = 1024
	maxPartsTime = 30 * time.Second
	maxDatagram  = 1<<16 - 1
)

// fragments put together what IP has cut.
type fragments struct {
	waiting map[fragmentKey]*parts
	order   []fragmentKey // as they began
	lost    int           // packets whose other fragments never came
}

// parse finds what an IP packet carries. It returns false for what is no whole header,
// and for a fragment until it completes a datagram.
func (f *fragments) parse(b []byte, at time.Time) (d datagram, ok bool) {
	if len(b) == 0 {
		return d, false
	}
	switch b[0] >> 4 {
	case 4:
		return f.parse4(b, at)
	case 6:
		return f.parse6(b, at)
	}
	return d, false
}

func (f *fragments) parse4(b []byte, at time.Time) (d datagram, ok bool) {
	if len(b) < 20 {
		return d, false
	}
	header := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // a packet for the card to cut, longer than the field can say
		total = len(b)
	}
	if header < 20 || header > len(b) || total < header {
		return d, false
	}
	d.from, d.to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	d.protocol = b[9]
	d.data, d.length = b[header:min(len(b), total)], total-header
	cut := binary.BigEndian.Uint16(b[6:])
	if offset, more := int(cut&0x1fff)*8, cut&0x2000 != 0; offset > 0 || more {
		id := uint32(binary.BigEndian.Uint16(b[4:]))
		return f.add(fragmentKey{d.from, d.to, id, d.protocol}, d, offset, more, at)
	}
	return d, true
}

func (f *fragments) parse6(b []byte, at time.Time) (d datagram, ok bool) {
	if len(b) < 40 {
		return d, false
	}
	d.from, d.to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	d.length = int(binary.BigEndian.Uint16(b[4:]))
	next := b[6]
	b = b[40:]
	if d.length == 0 { // a jumbogram, or a packet for the card to cut
		d.length = len(b)
	}
	b = b[:min(len(b), d.length)]
	for {
		size := 0
		switch next {
		case protoHopByHop, protoRouting, protoDestination, protoMobility, protoHIP, protoShim6:
			if len(b) < 8 {
				return d, false
			}
			size = (int(b[1]) + 1) * 8
		case protoAuth:
			if len(b) < 8 {
				return d, false
			}
			size = (int(b[1]) + 2) * 4
		case protoFragment:
			if len(b) < 8 {
				return d, false
			}
			cut, id := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])
			offset, more := int(cut&^7), cut&1 != 0
			next, b, d.length = b[0], b[8:], d.length-8
			if offset == 0 && !more { // atomic (RFC 6946)
				continue
			}
			d.protocol, d.data = next, b
			return f.add(fragmentKey{d.from, d.to, id, 0}, d, offset, more, at)
		default:
			d.protocol, d.data = next, b
			return d, true
		}
		if size > len(b) {
			return d, false
		}
		next, b, d.length = b[0], b[size:], d.length-size
	}
}

// add keeps a fragment, and returns the whole once it is there. Of what overlaps the first
// counts.
func (f *fragments) add(key fragmentKey, d datagram, offset int, more bool, at time.Time) (datagram, bool) {
	if len(d.data) < d.length || offset+d.length > maxDatagram {
		return d, false // the rest was not kept, so that the whole never will be
	}
	f.drop(at)
	p := f.waiting[key]
	if p == nil {
		if f.waiting == nil {
			f.waiting = make(map[fragmentKey]*parts)
		}
		p = &parts{began: at, total: -1}
		f.waiting[key] = p
		f.order = append(f.order, key)
	}
	if !more {
		p.total = offset + len(d.data)
	}
	p.add(offset, d.data)
	if p.total < 0 || p.bytes < p.total {
		return d, false
	}
	delete(f.waiting, key)
	whole := make([]byte, 0, p.total)
	for _, piece := range p.pieces {
		if piece.at != len(whole) {
			return d, false // beyond the end that the last one told
		}
		whole = append(whole, piece.data...)
	}
	d.data, d.length = whole, len(whole)
	return d, len(whole) == p.total
}

func (p *parts) add(at int, data []byte) {
	i, _ := slices.BinarySearchFunc(p.pieces, at, func(q piece, at int) int { return q.at - at })
	if i > 0 {
		if end := p.pieces[i-1].at + len(p.pieces[i-1].data); end > at {
			cut := min(end-at, len(data))
			at, data = at+cut, data[cut:]
		}
	}
	for ; i < len(p.pieces) && len(data) > 0 && p.pieces[i].at < at+len(data); i++ { // what is there already
		next := p.pieces[i]
		if room := next.at - at; room > 0 {
			p.insert(i, at, data[:room])
			i++
		}
		end := next.at + len(next.data)
		cut := min(max(end-at, 0), len(data))
		at, data = at+cut, data[cut:]
	}
	if len(data) > 0 {
		p.insert(i, at, data)
	}
}

func (p *parts) insert(i, at int, data []byte) {
	p.pieces = slices.Insert(p.pieces, i, piece{at, slices.Clone(data)})
	p.bytes += len(data)
}

// drop forgets what has waited for too long, and the oldest where too many wait.
func (f *fragments) drop(now time.Time) {
	for len(f.order) > 0 {
		p := f.waiting[f.order[0]]
		if p != nil {
			if len(f.waiting) < maxParts && now.Sub(p.began) < maxPartsTime {
				return
			}
			delete(f.waiting, f.order[0])
			f.lost++
		}
		f.order = f.order[1:]
	}
}
