package poll

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// A mailbox holds the functions that other goroutines post. Its eventfd wakes
// the loop.
type mailbox struct {
	l    *Loop
	wake int // the eventfd
	note []byte

	mu     sync.Mutex
	posted []func()
	closed bool
	spare  []func() // what posted was before, empty, for use again; the loop's own
}

func (m *mailbox) open(l *Loop) error {
	fd, errno := sys.Eventfd()
	if errno != 0 {
		return os.NewSyscallError("eventfd", errno)
	}
	*m = mailbox{l: l, wake: fd, note: make([]byte, 8)}
	if err := l.Add(fd, Readable, m); err != nil {
		sys.Close(fd)
		return err
	}
	return nil
}

// Post calls f on the loop's goroutine, soon, and in the order of the calls. It
// may be called from any goroutine, and does not wait. It returns false, and f
// is never called, if the loop is over; else f is called.
func (l *Loop) Post(f func()) bool {
	m := &l.post
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.posted = append(m.posted, f)
	if len(m.posted) == 1 {
		one := [8]byte{1} // in the machine's own order, any value but zero will do
		unix.Write(m.wake, one[:])
	}
	return true
}

// Ready implements Handler.
func (m *mailbox) Ready(Events) {
	unix.Read(m.wake, m.note)
	m.deliver()
}

// deliver calls what was posted.
func (m *mailbox) deliver() {
	m.mu.Lock()
	todo := m.posted
	m.posted, m.spare = m.spare, nil
	m.mu.Unlock()
	for _, f := range todo {
		f()
	}
	clear(todo)
	m.spare = todo[:0]
}

// close takes no more, and calls what is left.
func (m *mailbox) close() {
	if m.wake < 0 {
		return
	}
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.deliver()
	m.l.CloseFD(m.wake)
	m.wake = -1
}
