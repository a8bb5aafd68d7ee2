package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"zocalo/internal/loop"
	"zocalo/internal/sys"
)

// A mover is one side of a copy inside the system: one of our descriptors in
// one direction, or a connection of package net.
type mover struct {
	d      *descriptor
	dir    *direction
	raw    syscall.RawConn
	writes bool
	urgent bool // may stop at urgent data
}

// move makes an attempt until it need not wait.
func (m *mover) move(a attempt) (errno syscall.Errno, err error) {
	if m.d != nil {
		return m.d.call(m.dir, a)
	}
	step := func(fd uintptr) bool {
		errno = a.try(int(fd))
		return errno != syscall.EAGAIN
	}
	if m.writes {
		err = m.raw.Write(step)
	} else {
		err = m.raw.Read(step)
	}
	return errno, err
}

// errBlocking says that File has made the descriptor a blocking one meanwhile,
// on which splice(2) and sendfile(2) could block, and nothing would end them.
// The rest is left to Read and Write.
var errBlocking = errors.New("the descriptor is blocking")

// never is the flag blocking of a descriptor of package net.
var never atomic.Bool

func (m *mover) blocking() *atomic.Bool {
	if m.d == nil {
		return &never
	}
	return &m.d.blocking
}

// mover returns nil for a blocking descriptor, see errBlocking.
func (k *streamKernel) mover(writes bool) *mover {
	if k.blocking.Load() {
		return nil
	}
	m := &mover{d: &k.descriptor, dir: &k.read, writes: writes, urgent: k.kind.Properties().Urgent > 0}
	if writes {
		m.dir = &k.write
	}
	return m
}

// moverOf returns the side that v is, nil where the system cannot splice it.
func moverOf(v any, writes bool) *mover {
	if s, ok := v.(*Socket); ok {
		if s.trace != nil {
			return nil
		}
		// A wrapper that is a Copier itself wants to see the octets.
		if c, ok := As[Copier](s.endpoint); ok {
			if k, ok := c.(interface{ mover(bool) *mover }); ok {
				return k.mover(writes)
			}
		}
		return nil
	}
	var c syscall.Conn
	switch v := v.(type) {
	case *net.TCPConn:
		c = v
	case *net.UnixConn:
		if v.LocalAddr().Network() != "unix" {
			return nil
		}
		c = v
	default:
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return &mover{raw: raw, writes: writes, urgent: !writes}
}

// CopyFrom implements Copier.
func (k *streamKernel) CopyFrom(r io.Reader) (int64, bool, error) {
	to := k.mover(true)
	if to == nil {
		return 0, false, nil
	}
	limit := int64(1<<63 - 1)
	limited, _ := r.(*io.LimitedReader)
	if limited != nil {
		r, limit = limited.R, limited.N
	}
	var n int64
	var handled bool
	var err error
	if f, ok := r.(*os.File); ok {
		n, handled, err = k.sendFile(f, limit)
	} else if from := moverOf(r, false); from != nil {
		n, err = spliceAll(to, from, limit)
		handled = true
	}
	if err == errBlocking {
		var rest int64
		rest, err = io.Copy(onlyWriter{k}, io.LimitReader(r, limit-n))
		n += rest
	}
	if limited != nil {
		limited.N -= n
	}
	return n, handled, err
}

// CopyTo implements Copier.
func (k *streamKernel) CopyTo(w io.Writer) (int64, bool, error) {
	to, from := moverOf(w, true), k.mover(false)
	if to == nil || from == nil {
		return 0, false, nil
	}
	n, err := spliceAll(to, from, 1<<63-1)
	if err == errBlocking {
		var rest int64
		rest, err = io.Copy(onlyWriter{w}, onlyReader{k})
		n += rest
	}
	return n, true, err
}

// splicingIn is the attempt of splice(2) from a socket into a pipe. It holds a
// pipe only while there are octets in it.
type splicingIn struct {
	max      int
	pipe     loop.Pipe
	n        int
	urgent   bool
	blocking *atomic.Bool
	stopped  bool // it is blocking now

	across []byte // what a plain receive read across the urgent mark
	buf    []byte
}

func (s *splicingIn) try(fd int) syscall.Errno {
	if s.stopped = s.blocking.Load(); s.stopped {
		return 0
	}
	pipe, errno := loop.TakePipe()
	if errno != 0 {
		return errno
	}
	s.across = nil
	s.n, errno = sys.Splice(fd, pipe.W, s.max)
	if errno == 0 && s.n > 0 {
		s.pipe = pipe
		return 0
	}
	pipe.Give()
	if s.urgent && (errno == syscall.EAGAIN || errno == 0) {
		// At urgent data splice waits for ever, or takes it for the end where
		// nothing follows; a receive passes over it.
		if at, _ := sys.AtMark(fd); at {
			if s.buf == nil {
				s.buf = make([]byte, 4096)
			}
			s.n, errno = sys.Recv(fd, s.buf[:min(len(s.buf), s.max)], sys.DontWait)
			s.across = s.buf[:s.n]
		}
	}
	return errno
}

// splicingOut is the attempt of splice(2) from a pipe into a socket.
type splicingOut struct {
	pipe     loop.Pipe
	left     int
	n        int
	blocking *atomic.Bool
	stopped  bool // it is blocking now
}

func (s *splicingOut) try(fd int) (errno syscall.Errno) {
	if s.stopped = s.blocking.Load(); s.stopped {
		return 0
	}
	s.n, errno = sys.Splice(s.pipe.R, fd, s.left)
	return errno
}

var splices = sync.Pool{New: func() any {
	return &struct {
		in  splicingIn
		out splicingOut
	}{}
}}

// spliceAll moves octets until the end or the limit. With errBlocking it has
// passed on all that it took.
func spliceAll(to, from *mover, limit int64) (moved int64, err error) {
	s := splices.Get().(*struct {
		in  splicingIn
		out splicingOut
	})
	defer splices.Put(s)
	s.in.urgent = from.urgent
	s.in.blocking, s.out.blocking = from.blocking(), to.blocking()
	for moved < limit {
		s.in.max = int(min(limit-moved, loop.PipeSize))
		errno, err := from.move(&s.in)
		switch {
		case err != nil:
			return moved, err
		case errno != 0:
			return moved, syscallError("splice", errno)
		case s.in.stopped:
			return moved, errBlocking
		case s.in.n == 0:
			return moved, nil
		}
		if s.in.across != nil {
			n, err := to.write(s.in.across)
			moved += int64(n)
			if err != nil {
				return moved, err
			}
			continue
		}
		s.out.pipe, s.out.left = s.in.pipe, s.in.n
		for s.out.left > 0 {
			errno, err := to.move(&s.out)
			if err == nil && errno != 0 {
				err = syscallError("splice", errno)
			}
			if err == nil && s.out.stopped {
				var n int
				n, err = to.drain(s.out.pipe, s.out.left)
				moved += int64(n)
			}
			if err != nil {
				s.out.pipe.Close()
				return moved, err
			}
			moved += int64(s.out.n)
			s.out.left -= s.out.n
		}
		s.out.pipe.Give()
	}
	return moved, nil
}

// drain sends the octets that are in a pipe through the program, and returns
// errBlocking once it has sent them all.
func (m *mover) drain(pipe loop.Pipe, left int) (sent int, err error) {
	b := make([]byte, min(left, 32<<10))
	for sent < left {
		n, errno := sys.Read(pipe.R, b)
		if errno != 0 {
			return sent, syscallError("read", errno)
		}
		n, err := m.write(b[:n])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, errBlocking
}

// write sends all of b.
func (m *mover) write(b []byte) (sent int, err error) {
	for sent < len(b) {
		s := sending{b: b[sent:]}
		errno, err := m.move(&s)
		if err == nil && errno != 0 {
			err = syscallError("write", errno)
		}
		if err != nil {
			return sent, err
		}
		sent += s.n
	}
	return sent, nil
}

// sendingFile is the attempt of sendfile(2).
type sendingFile struct {
	from, max, n int

	blocking *atomic.Bool
	stopped  bool // it is blocking now
}

func (s *sendingFile) try(fd int) (errno syscall.Errno) {
	if s.stopped = s.blocking.Load(); s.stopped {
		return 0
	}
	s.n, errno = sys.Sendfile(fd, s.from, s.max)
	return errno
}

// maxSendfile is the most octets that one sendfile(2) takes.
const maxSendfile = 0x7ffff000

// sendFile sends a regular file from where it stands.
func (k *streamKernel) sendFile(f *os.File, limit int64) (sent int64, handled bool, err error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, false, nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, false, nil
	}
	controlErr := raw.Control(func(fd uintptr) {
		handled = true
		for sent < limit {
			s := sendingFile{from: int(fd), max: int(min(limit-sent, maxSendfile)), blocking: &k.blocking}
			errno, doErr := k.call(&k.write, &s)
			if err = firstError(doErr, "sendfile", errno); err != nil {
				// What cannot be sent so at all is left to the caller.
				handled = sent > 0 || errno != syscall.EINVAL
				return
			}
			if s.stopped {
				err = errBlocking
			}
			if s.n == 0 {
				return
			}
			sent += int64(s.n)
		}
	})
	if controlErr != nil {
		return sent, handled, controlErr
	}
	return sent, handled, err
}
