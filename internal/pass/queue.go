package pass

import (
	"encoding/binary"
	"slices"
	"sync"
)

// A Queue holds the messages that wait in one direction of a session, each with its
// length and the segment size of a train before it. The zero Queue is empty; a nil
// one may be asked, not changed.
type Queue struct {
	bytes []byte
	at    int     // of the first message
	spare *[]byte // to give bytes back in; nil where they are none of spares
}

// spares are the memory of queues that were full and are empty, for the next that fill.
var spares sync.Pool

// An empty queue keeps as much memory as restKeeps, so that one in which a short message
// waits now and then has it at hand; more than spareMost is no spare either.
const (
	restKeeps = 1 << 10
	spareMost = 128 << 10
)

// QueueHeader is what a [Queue] adds to each message, in bytes.
const QueueHeader = 8

// Empty reports whether nothing is held.
func (q *Queue) Empty() bool { return q == nil || q.at == len(q.bytes) }

// Size is how many bytes are held, headers included.
func (q *Queue) Size() int {
	if q == nil {
		return 0
	}
	return len(q.bytes) - q.at
}

// Put adds a message; a segment of 0 is no train.
func (q *Queue) Put(data []byte, segment int) {
	if q.at > 0 && q.at >= len(q.bytes)/2 {
		q.bytes = append(q.bytes[:0], q.bytes[q.at:]...)
		q.at = 0
	}
	if n := len(q.bytes) + QueueHeader + len(data); n > cap(q.bytes) && n > restKeeps && q.spare == nil {
		q.useSpare()
	}
	q.bytes = binary.NativeEndian.AppendUint32(q.bytes, uint32(len(data)))
	q.bytes = binary.NativeEndian.AppendUint32(q.bytes, uint32(segment))
	q.bytes = append(q.bytes, data...)
}

// All calls yield with the messages and their segment sizes, the first first, until
// it returns false. They are good until the next Put.
func (q *Queue) All(yield func(data []byte, segment int) bool) {
	if q == nil {
		return
	}
	for at := q.at; at < len(q.bytes); {
		end := at + QueueHeader + int(binary.NativeEndian.Uint32(q.bytes[at:]))
		if !yield(q.bytes[at+QueueHeader:end:end], int(binary.NativeEndian.Uint32(q.bytes[at+4:]))) {
			return
		}
		at = end
	}
}

// Take takes out the first n messages, and the bytes of the one after them
// that have left already: a part of a train. Those stay good until the next Put.
func (q *Queue) Take(n, part int) {
	for range n {
		q.at += QueueHeader + int(binary.NativeEndian.Uint32(q.bytes[q.at:]))
	}
	if part > 0 {
		// The header moves up to what is left.
		size := int(binary.NativeEndian.Uint32(q.bytes[q.at:]))
		segment := binary.NativeEndian.Uint32(q.bytes[q.at+4:])
		q.at += part
		binary.NativeEndian.PutUint32(q.bytes[q.at:], uint32(size-part))
		binary.NativeEndian.PutUint32(q.bytes[q.at+4:], segment)
	}
}

// useSpare moves to memory of spares, if there is any.
func (q *Queue) useSpare() {
	if spare, ok := spares.Get().(*[]byte); ok {
		q.bytes, q.spare, q.at = append((*spare)[:0], q.bytes[q.at:]...), spare, 0
	}
}

// Rest gives up the memory of an empty queue, which it does not need before something
// waits again. What All has yielded is good no longer.
func (q *Queue) Rest() {
	if !q.Empty() || cap(q.bytes) <= restKeeps {
		return
	}
	if cap(q.bytes) <= spareMost {
		if q.spare == nil {
			q.spare = new([]byte)
		}
		*q.spare = q.bytes[:0]
		spares.Put(q.spare)
	}
	*q = Queue{}
}

// Clone returns a queue of the same messages in memory of its own.
func (q *Queue) Clone() Queue { return Queue{bytes: slices.Clone(q.bytes[q.at:])} }
