package datagrams

import "zocalo/internal/pass"

// A queue holds the messages of one direction of a session that could not
// leave yet. It keeps its memory only while something is in it.
type queue struct{ pass.Queue }

// peek appends the first messages, as many as ps has room for, without taking
// them out. They are good until the next Put.
func (q *queue) peek(ps []piece, to *session) []piece {
	q.All(func(data []byte, segment int) bool {
		if len(ps) == cap(ps) {
			return false
		}
		ps = append(ps, piece{data: data, segment: segment, of: to})
		return true
	})
	return ps
}

// take is Take.
func (q *queue) take(n, part int) {
	if q.Take(n, part); q.Empty() {
		*q = queue{}
	}
}

// count is how many datagrams are held, and data how many bytes they have.
func (q *queue) count() (datagrams int64, data int) {
	q.All(func(b []byte, segment int) bool {
		datagrams += datagramsIn(len(b), segment)
		data += len(b)
		return true
	})
	return datagrams, data
}

// datagramsIn is how many datagrams so many bytes are.
func datagramsIn(bytes, segment int) int64 {
	if segment <= 0 || bytes <= segment {
		return 1
	}
	return int64((bytes + segment - 1) / segment)
}
