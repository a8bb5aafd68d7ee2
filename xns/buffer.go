package xns

import (
	"net"
	"net/netip"
	"sync"
)

// A buffer holds one packet, with a byte to pad it.
type buffer struct {
	n    int            // bytes used
	more bool           // others came with it, which are handled next
	via  netip.AddrPort // where on the Internet it came from; zero if the link is not on the Internet
	data [MaxPacket + 36]byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newBuffer() *buffer {
	b := buffers.Get().(*buffer)
	b.more, b.via = false, netip.AddrPort{}
	return b
}

func (b *buffer) free() { buffers.Put(b) }

func (b *buffer) bytes() []byte { return b.data[:b.n] }

// set fills the buffer with a packet that is not longer than it.
func (b *buffer) set(p []byte) { b.n = copy(b.data[:], p) }

// An inbox holds packets that wait to be read from a link; more are lost.
type inbox chan *buffer

// put adds a packet, if there is room.
func (in inbox) put(packet []byte) {
	f := newBuffer()
	f.set(packet)
	select {
	case in <- f:
	default:
		f.free()
	}
}

// read waits for a packet, until the link is closed.
func (in inbox) read(b []byte, closed <-chan struct{}) (int, error) {
	select {
	case f := <-in:
		defer f.free()
		return copy(b, f.bytes()), nil
	case <-closed:
		return 0, net.ErrClosed
	}
}

// padded is n, or the even number after it.
func padded(n int) int { return n + n&1 }

// gather copies what follows the first skip bytes of buffers to dst, and
// returns how many fitted.
func gather(dst []byte, buffers [][]byte, skip int) (n int) {
	for _, b := range buffers {
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		n += copy(dst[n:], b[skip:])
		skip = 0
	}
	return n
}

func total(buffers [][]byte) (n int) {
	for _, b := range buffers {
		n += len(b)
	}
	return n
}

// scatter copies src to what follows the first skip bytes of buffers, and
// returns how many fitted.
func scatter(buffers [][]byte, skip int, src []byte) (n int) {
	for _, b := range buffers {
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		n += copy(b[skip:], src[n:])
		skip = 0
	}
	return n
}
