package socket

import (
	"iter"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
)

// mostTrainBuffers bounds the buffers of one train: those of one call.
const mostTrainBuffers = 1024

// trainOf returns how many of ms, from the first on, can leave as one train,
// and the size of its segments: messages of one size, the last perhaps
// shorter, to one peer, with nothing beside their data. No segment may be
// longer than longest. A message that starts no train is a train of itself.
func trainOf(ms []Message, longest int) (count, segment int) {
	first := &ms[0]
	segment = first.length()
	most := sys.Segments(segment, longest)
	if most == 1 || !first.plain() {
		return 1, segment
	}
	buffers := 0
	return pass.Train(min(most, len(ms)), func(i int) int {
		m := &ms[i]
		if buffers += len(m.Buffers); buffers > mostTrainBuffers || !m.plain() || m.Peer != first.Peer {
			return 0
		}
		return m.length()
	}), segment
}

// plain reports whether the message is one datagram and nothing else.
func (m *Message) plain() bool {
	return m.SegmentSize == 0 && m.Flags == 0 && m.Ancillary.Present == 0
}

// Segments returns the datagrams of a message that Receive filled: those of a
// train, of SegmentSize bytes each and the last perhaps shorter, or the
// message itself if it is none. They are in the message's own memory; one that
// lies in two of its Buffers is put together in a new one.
func (m *Message) Segments() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		size := m.SegmentSize
		if size <= 0 || size > m.N {
			size = m.N
		}
		if m.N <= 0 {
			yield(nil)
			return
		}
		for at := 0; at < m.N; at += size {
			if !yield(cut(m.Buffers, at, min(size, m.N-at))) {
				return
			}
		}
	}
}

// cut returns n bytes of the buffers from at on.
func cut(buffers [][]byte, at, n int) []byte {
	var joined []byte
	for _, b := range buffers {
		if at >= len(b) {
			at -= len(b)
			continue
		}
		part := b[at:min(at+n, len(b)):min(at+n, len(b))]
		if len(part) == n && joined == nil {
			return part
		}
		joined = append(joined, part...)
		at = 0
		if n -= len(part); n == 0 {
			break
		}
	}
	return joined
}
