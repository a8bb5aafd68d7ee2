package join

import (
	"context"
	"net"
	"slices"
	"syscall"

	"zocalo/address"
	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
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
// byte with what follows. So it first waits until there is something, then
// asks whether that is the urgent byte: what has arrived as an ordinary byte
// cannot become urgent any more.
type markReader struct {
	tap
	raw syscall.RawConn
	try func(uintptr) bool
	at  bool // the next byte is urgent
}

// Inline returns an address of a listener whose connections are read with
// urgent data in its place: the system then does so from their beginning. What
// came before they were accepted would be set aside otherwise, where the next
// urgent byte takes its place, and it is lost.
func Inline(a address.Address) address.Address {
	kinds := a.Scheme.Kinds(scheme.Target{Endpoint: a.Endpoint, Passive: true, Settings: a.Settings})
	if len(kinds) > 0 && kinds[0].Properties().Urgent > 0 && slices.Contains(a.Scheme.Options, option.OOBInline.Spec) {
		a.Settings = append(slices.Clone(a.Settings), option.Setting{Spec: option.OOBInline.Spec, Value: true, Default: true})
	}
	return a
}

func (f *flow) newMarked() *markReader {
	s := f.near().Socket
	// A layer's bytes are not those of the descriptor beneath it.
	if _, ok := socket.As[socket.Descriptor](s); !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil || option.OOBInline.Set(s, true) != nil {
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
			return m.failed(err)
		}
		return nil
	}
}

// failed is what Read would say of an error. It is kept apart, lest the stack of a waiting goroutine
// be larger.
//
//go:noinline
func (m *markReader) failed(err error) error {
	return &net.OpError{Op: "read", Net: m.s.Kind().String(), Source: m.s.LocalAddr(), Addr: m.s.RemoteAddr(), Err: err}
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
