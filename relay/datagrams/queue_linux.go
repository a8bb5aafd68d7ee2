package datagrams

import "encoding/binary"

// A queue holds the messages of one direction of a session that could not
// leave yet, each with its length and the segment size of a train before it.
// It keeps its memory only while something is in it.
type queue struct {
	octets []byte
	at     int // of the first message
}

const queueHeader = 8

func (q *queue) empty() bool { return q == nil || q.at == len(q.octets) }

// size is how much is held, headers included.
func (q *queue) size() int {
	if q == nil {
		return 0
	}
	return len(q.octets) - q.at
}

func (q *queue) put(data []byte, segment int) {
	if q.at > 0 && q.at >= len(q.octets)/2 {
		q.octets = append(q.octets[:0], q.octets[q.at:]...)
		q.at = 0
	}
	q.octets = binary.NativeEndian.AppendUint32(q.octets, uint32(len(data)))
	q.octets = binary.NativeEndian.AppendUint32(q.octets, uint32(segment))
	q.octets = append(q.octets, data...)
}

// peek appends the first messages, as many as ps has room for, without taking
// them out. They are good until the next put.
func (q *queue) peek(ps []piece, to *session) []piece {
	for at := q.at; at < len(q.octets) && len(ps) < cap(ps); {
		n := int(binary.NativeEndian.Uint32(q.octets[at:]))
		segment := int(binary.NativeEndian.Uint32(q.octets[at+4:]))
		at += queueHeader
		ps = append(ps, piece{data: q.octets[at : at+n : at+n], segment: segment, of: to})
		at += n
	}
	return ps
}

// take takes out the first n messages, and the octets of the one after them
// that have left already: a part of a train.
func (q *queue) take(n, part int) {
	for range n {
		q.at += queueHeader + int(binary.NativeEndian.Uint32(q.octets[q.at:]))
	}
	if part > 0 {
		// The header moves up to what is left.
		size := int(binary.NativeEndian.Uint32(q.octets[q.at:]))
		segment := binary.NativeEndian.Uint32(q.octets[q.at+4:])
		q.at += part
		binary.NativeEndian.PutUint32(q.octets[q.at:], uint32(size-part))
		binary.NativeEndian.PutUint32(q.octets[q.at+4:], segment)
	}
	if q.empty() {
		q.octets, q.at = nil, 0
	}
}

// count is how many datagrams are held.
func (q *queue) count() (n int64) {
	if q == nil {
		return 0
	}
	for at := q.at; at < len(q.octets); {
		size := int(binary.NativeEndian.Uint32(q.octets[at:]))
		n += datagramsIn(size, int(binary.NativeEndian.Uint32(q.octets[at+4:])))
		at += queueHeader + size
	}
	return n
}

// datagramsIn is how many datagrams so many octets are.
func datagramsIn(octets, segment int) int64 {
	if segment <= 0 || octets <= segment {
		return 1
	}
	return int64((octets + segment - 1) / segment)
}
