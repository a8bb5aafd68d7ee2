package xns

import "sync"

// A buffer holds one packet, with an octet to pad it.
type buffer struct {
	n    int  // octets used
	more bool // others came with it, which are handled next
	data [MaxPacket + 36]byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newBuffer() *buffer {
	b := buffers.Get().(*buffer)
	b.more = false
	return b
}

func (b *buffer) free() { buffers.Put(b) }

func (b *buffer) bytes() []byte { return b.data[:b.n] }

// set fills the buffer with a packet that is not longer than it.
func (b *buffer) set(p []byte) { b.n = copy(b.data[:], p) }

// padded is n, or the even number after it.
func padded(n int) int { return n + n&1 }

// gather copies what follows the first skip octets of buffers to dst, and
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

// scatter copies src to what follows the first skip octets of buffers, and
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
