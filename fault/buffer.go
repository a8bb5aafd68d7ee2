package fault

import "sync"

// A buffer holds what is late. Items that are parts of one share it.
type buffer struct {
	b    []byte
	refs int // of items; guarded by the line's mu
	pool *sync.Pool
}

// The sizes of pooled buffers: a message of the usual length, and a read of a stream.
var pools = [...]struct {
	size int
	pool *sync.Pool
}{{256, new(sync.Pool)}, {2 << 10, new(sync.Pool)}, {16 << 10, new(sync.Pool)}, {64 << 10, new(sync.Pool)}}

func newBuffer(n int) *buffer {
	for _, p := range pools {
		if n > p.size {
			continue
		}
		if b, ok := p.pool.Get().(*buffer); ok {
			return b
		}
		return &buffer{b: make([]byte, p.size), pool: p.pool}
	}
	return &buffer{b: make([]byte, n)}
}

// own makes the data of an item the line's, where it is borrowed. Descriptors do not go with it any more. The caller holds mu.
func (l *line) own(it *item) {
	if it.buf != nil || it.kind != data {
		return
	}
	b := newBuffer(len(it.p.Data))
	b.refs = 1
	n := copy(b.b, it.p.Data)
	p := it.p
	p.Data = nil
	p = p.Clone() // without descriptors
	p.Data = b.b[:n]
	it.p, it.buf = p, b
	l.memory += len(b.b)
	l.items++
}

// split cuts the first n bytes off an item. The caller holds mu.
func (l *line) split(it *item, n int) (first item) {
	first = *it
	first.p.Data = it.p.Data[:n:n]
	it.p.Data = it.p.Data[n:]
	it.number += int64(n)
	l.share(it)
	return first
}

// share counts another item with the buffer of one. The caller holds mu.
func (l *line) share(it *item) {
	if it.buf != nil {
		it.buf.refs++
		l.items++
	}
}

// release gives back what an item holds. The caller holds mu.
func (l *line) release(it *item) {
	b := it.buf
	if b == nil {
		return
	}
	it.buf = nil
	l.items--
	if b.refs--; b.refs > 0 {
		return
	}
	l.memory -= len(b.b)
	if b.pool != nil {
		b.pool.Put(b)
	}
}
