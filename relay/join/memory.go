package join

import (
	"sync"

	"zocalo/socket"
)

// A memory is what an end is read into. Where the end can be waited for without
// it, it is taken when something is there, and given back before the next wait.
type memory struct {
	wait  func() error // nil where reading needs memory to wait with
	ready func() bool  // that there is no wait; nil where nothing tells
	pool  *sync.Pool
	buf   *[]byte

	waited bool  // await has, and the next take does not
	failed error // of that
}

// A readier is an end that knows without a system call that something is there.
type readier interface{ Ready() bool }

// pools holds a pool of memory for each size in use.
var pools sync.Map

func newMemory(size int, wait func() error) memory {
	pool, known := pools.Load(size)
	if !known {
		pool, _ = pools.LoadOrStore(size, &sync.Pool{New: func() any {
			b := make([]byte, size)
			return &b
		}})
	}
	return memory{wait: wait, pool: pool.(*sync.Pool)}
}

// waiting returns what waits for something to read from a socket; nil where
// its kind cannot.
func waiting(s *socket.Socket) func() error {
	if _, ok := socket.As[socket.ReadWaiter](s); !ok {
		return nil
	}
	return s.WaitRead
}

// await waits ahead of take until there is something to read.
func (m *memory) await() error {
	m.failed = nil // that of the last time
	if m.wait != nil && (m.ready == nil || !m.ready()) {
		m.release()
		m.failed = m.wait()
	}
	m.waited = true
	return m.failed
}

// take waits until there is something to read, and returns the memory to read
// it into. It is good until the next take.
func (m *memory) take() ([]byte, error) {
	if m.waited {
		m.waited = false
		if m.failed != nil {
			return nil, m.failed
		}
	} else if m.wait != nil && !(m.buf != nil && m.ready != nil && m.ready()) {
		m.release()
		if err := m.wait(); err != nil {
			return nil, err
		}
	}
	if m.buf == nil {
		m.buf = m.pool.Get().(*[]byte)
	}
	return *m.buf, nil
}

// release gives the memory back.
func (m *memory) release() {
	if m.buf != nil {
		m.pool.Put(m.buf)
		m.buf = nil
	}
}
