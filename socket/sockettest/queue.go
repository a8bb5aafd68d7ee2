package sockettest

import (
	"io"
	"sync"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// The bounds of a queue in memory. A message has to fit whole, so the first
// is the largest message too.
const (
	queueBytes    = 64 << 10
	queueMessages = 256
)

// A queue is one direction of a channel in memory, or what a datagram socket
// has received: bytes, and for kinds with boundaries the sizes of the
// messages that they make. It belongs to the reader's end.
//
// Its methods do not wait. They return ready false where the caller has to,
// on the bell of the same name.
type queue struct {
	mu       sync.Mutex
	readable wait.Bell
	writable wait.Bell
	bytes    ring[byte]
	records  ring[record]
	end      error  // what follows the last byte; nil while more may come
	refusal  error  // what writers get; nil while somebody may read
	only     *queue // of a connected datagram socket: the one sender's own queue
	urgency
}

// A record is one message of a queue.
type record struct {
	size int
	from socket.Name
}

// urgency is the urgent byte of a stream, which travels beside the queue.
type urgency struct {
	urgent  wait.Bell // a byte waits to be taken, or none will come
	calm    wait.Bell // there is room for one
	pending byte
	waiting bool
	taken   int64 // bytes of the stream read so far
	mark    int64 // as many came before the last urgent byte; -1 if there was none
}

func newQueue() *queue {
	return &queue{
		readable: wait.NewBell(), writable: wait.NewBell(),
		urgency: urgency{urgent: wait.NewBell(), calm: wait.NewBell(), mark: -1},
	}
}

// write adds what fits of b to a stream.
func (q *queue) write(b []byte) (n int, ready bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refusal != nil {
		q.writable.Ring()
		return 0, true, q.refusal
	}
	n = min(len(b), queueBytes-q.bytes.n)
	if n == 0 {
		return 0, len(b) == 0, nil
	}
	q.bytes.put(b[:n])
	q.readable.Ring()
	return n, true, nil
}

// read takes bytes of a stream, up to the urgent mark.
func (q *queue) read(b []byte) (n int, ready bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes.n == 0 {
		if q.end != nil {
			q.readable.Ring()
		}
		return 0, q.end != nil, q.end
	}
	if ahead := q.mark - q.taken; ahead > 0 && ahead < int64(len(b)) {
		b = b[:ahead]
	}
	n = q.bytes.copyTo(b, 0)
	q.bytes.drop(n)
	q.taken += int64(n)
	q.writable.Ring()
	if q.bytes.n > 0 || q.end != nil {
		q.readable.Ring()
	}
	return n, true, nil
}

// put adds a message, whole. The sender is known by its own queue.
func (q *queue) put(buffers [][]byte, size int, sender *queue, from socket.Name) (ready bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.refusal != nil:
		q.writable.Ring()
		return true, q.refusal
	case q.only != nil && q.only != sender:
		q.writable.Ring()
		return true, syscall.EPERM
	case q.bytes.n+size > queueBytes || q.records.n == queueMessages:
		return false, nil
	}
	for _, b := range buffers {
		q.bytes.put(b)
	}
	q.records.put([]record{{size, from}})
	q.readable.Ring()
	if q.bytes.n < queueBytes && q.records.n < queueMessages {
		q.writable.Ring()
	}
	return true, nil
}

// take fills the buffers with the oldest message, of which it says the true
// size, and removes it unless it only is to be peeked at.
func (q *queue) take(buffers [][]byte, peek bool) (r record, n int, ready bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.records.n == 0 {
		if q.end != nil {
			q.readable.Ring()
		}
		return record{}, 0, q.end != nil, q.end
	}
	r = q.records.first()
	for _, b := range buffers {
		n += q.bytes.copyTo(b[:min(len(b), r.size-n)], n)
	}
	if !peek {
		q.records.drop(1)
		q.bytes.drop(r.size)
		q.writable.Ring()
	}
	if q.records.n > 0 || q.end != nil {
		q.readable.Ring()
	}
	return r, n, true, nil
}

// putUrgent adds an urgent byte if the one before it was taken. The queue may
// be full: urgent data comes ahead of it.
func (q *queue) putUrgent(mark byte) (ready bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.refusal != nil:
		q.calm.Ring()
		return true, q.refusal
	case q.waiting:
		return false, nil
	}
	q.pending, q.waiting = mark, true
	q.mark = q.taken + int64(q.bytes.n)
	q.urgent.Ring()
	return true, nil
}

// takeUrgent takes the urgent byte. It is at the end of the stream as soon as
// no more urgent data can come, even if ordinary bytes are still queued.
func (q *queue) takeUrgent() (mark byte, ready bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.waiting {
		if q.end != nil {
			q.urgent.Ring()
		}
		return 0, q.end != nil, q.end
	}
	q.waiting = false
	q.calm.Ring()
	if q.end != nil {
		q.urgent.Ring()
	}
	return q.pending, true, nil
}

func (q *queue) atMark() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mark == q.taken
}

// finish says that no more will be written. A reset discards what is queued.
func (q *queue) finish(end error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if end != io.EOF {
		q.bytes, q.records, q.waiting = ring[byte]{}, ring[record]{}, false
	} else if q.end != nil {
		return
	}
	q.end = end
	q.readable.Ring()
	q.urgent.Ring()
}

// refuse says that no more will be read.
func (q *queue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refusal == nil {
		q.refusal = err
	}
	q.writable.Ring()
	q.calm.Ring()
}

// admit makes a datagram socket's queue take messages of one sender only; nil
// is everybody.
func (q *queue) admit(only *queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.only = only
	q.writable.Ring()
}

// A ring is a first-in, first-out buffer that grows to what it has to hold;
// its user bounds that.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

func (r *ring[T]) put(src []T) {
	if need := r.n + len(src); need > len(r.buf) {
		grown := make([]T, max(need, 2*len(r.buf), 16))
		r.copyTo(grown, 0)
		r.buf, r.head = grown, 0
	}
	if len(src) == 0 {
		return
	}
	tail := (r.head + r.n) % len(r.buf)
	k := copy(r.buf[tail:], src)
	copy(r.buf, src[k:])
	r.n += len(src)
}

// copyTo copies to dst what follows the first skip elements.
func (r *ring[T]) copyTo(dst []T, skip int) int {
	dst = dst[:min(len(dst), r.n-skip)]
	if len(dst) == 0 {
		return 0
	}
	k := copy(dst, r.buf[(r.head+skip)%len(r.buf):])
	copy(dst[k:], r.buf)
	return len(dst)
}

func (r *ring[T]) first() T { return r.buf[r.head] }

func (r *ring[T]) drop(n int) {
	if r.n -= n; r.n == 0 {
		r.head = 0
		return
	}
	r.head = (r.head + n) % len(r.buf)
}
