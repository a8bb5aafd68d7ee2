package relay

import (
	"context"
	"net"
	"syscall"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// newReader makes the reader of a stream, by how its kind keeps urgent data.
func (f *flow) newReader() reader {
	s := f.near().Socket
	if s.Properties().Urgent > 0 {
		if m := f.newMarked(); m != nil {
			return m
		}
		f.watchUrgent()
	}
	return &plain{f.newTap()}
}

// markReader reads a kernel stream with urgent data left in its place. A read
// stops before the mark, but one that waits at the mark would take the urgent
// octet with what follows. So it first waits until there is something, then
// asks whether that is the urgent octet: what has arrived as an ordinary octet
// cannot become urgent any more.
type markReader struct {
	tap
	raw syscall.RawConn
	try func(uintptr) bool
	at  bool // the next octet is urgent
}

func (f *flow) newMarked() *markReader {
	s := f.near().Socket
	// A layer's octets are not those of the descriptor beneath it.
	if _, ok := socket.As[socket.Descriptor](s); !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil || socket.OOBInline.Set(s, true) != nil {
		return nil
	}
	m := &markReader{tap: f.newTap(), raw: raw}
	m.try = func(fd uintptr) bool {
		if !sys.Ready(int(fd), sys.Readable) {
			return false
		}
		m.at, _ = sys.AtMark(int(fd))
		return true
	}
	return m
}

func (m *markReader) waiting() func() error {
	return func() error {
		if err := m.raw.Read(m.try); err != nil {
			return &net.OpError{Op: "read", Net: m.s.Kind().String(), Source: m.s.LocalAddr(), Addr: m.s.RemoteAddr(), Err: err}
		}
		return nil
	}
}

func (m *markReader) read(b []byte) (int, bool, error) {
	if m.at {
		b = b[:1]
	}
	n, err := m.Read(b)
	return n, m.at, err
}

// beside passes on the urgent data of a kind that keeps it beside its stream
// or messages.
type beside struct {
	f    *flow
	most int
	done chan struct{}
}

// watchUrgent makes the flow have a beside, if its source has urgent data.
func (f *flow) watchUrgent() {
	if most := f.near().Socket.Properties().Urgent; most > 0 {
		f.beside = &beside{f: f, most: most, done: make(chan struct{})}
	}
}

// run passes urgent data on until there is no more. Whatever ends it, the
// flow sees for itself.
func (b *beside) run() {
	defer close(b.done)
	s, buf := b.f.near().Socket, make([]byte, b.most)
	for {
		n, err := s.ReceiveUrgent(context.Background(), buf)
		if err != nil || !b.f.pass(buf[:n], Urgent) {
			return
		}
	}
}

// wait returns when all urgent data before the end-of-file has passed.
func (b *beside) wait() { <-b.done }
