//go:build !linux

package sys

// A Msg is the argument of Sendmsg and Recvmsg.
type Msg struct {
	Name    Sockaddr // Len 0 sends to the peer
	Control []byte   // whole capacity for Recvmsg; what to send for Sendmsg
	Flags   int      // of the message received

	buffers [][]byte
}

// MaxBuffers is the most buffers of one call: IOV_MAX.
const MaxBuffers = 1024

// SetBuffers makes the message gather from, or scatter to, those buffers. The
// buffers stay referenced until ClearBuffers.
func (m *Msg) SetBuffers(buffers [][]byte) {
	m.buffers = m.buffers[:0]
	for _, b := range buffers {
		if len(b) > 0 {
			m.buffers = append(m.buffers, b)
		}
	}
}

// SetBuffer makes b the only buffer.
func (m *Msg) SetBuffer(b []byte) { m.SetBuffers([][]byte{b}) }

// Advance drops the first n bytes, which were sent.
func (m *Msg) Advance(n int) {
	for n > 0 && len(m.buffers) > 0 {
		if l := len(m.buffers[0]); n >= l {
			n -= l
			m.buffers = m.buffers[1:]
			continue
		}
		m.buffers[0] = m.buffers[0][n:]
		n = 0
	}
}

// Empty reports whether nothing is left to send.
func (m *Msg) Empty() bool { return len(m.buffers) == 0 }

// ClearBuffers lets go of the caller's memory.
func (m *Msg) ClearBuffers() { m.buffers = nil }

func (m *Msg) first() [][]byte { return m.buffers[:min(len(m.buffers), MaxBuffers)] }
