package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"

	"zocalo/internal/poll"
	"zocalo/internal/sys"
)

// A mover is one side of a copy inside the system: one of our descriptors in
// one direction, or a connection of package net, or a file of package os.
type mover struct {
	d      *descriptor
	dir    *direction
	raw    syscall.RawConn
	writes bool
	urgent bool // may stop at urgent data
	file   bool // it takes write(2), and not send(2)
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

// errByHand says that the rest is left to Read and Write: File has made the
// descriptor a blocking one meanwhile, on which splice(2) and sendfile(2) could
// block, and nothing would end them; or there is no pipe to be had, or no splice(2)
// for the socket.
var errByHand = errors.New("the system cannot move the rest")

// notBlocking is the flag blocking of a descriptor of package net.
var notBlocking atomic.Bool

func (m *mover) blocking() *atomic.Bool {
	if m.d == nil {
		return &notBlocking
	}
	return &m.d.blocking
}

// mover returns nil for a blocking descriptor, see errByHand.
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
		// A wrapper that is a Copier itself wants to see the bytes.
		if c, ok := As[Copier](s.endpoint); ok {
			if k, ok := c.(interface{ mover(bool) *mover }); ok {
				return k.mover(writes)
			}
		}
		return nil
	}
	c, what := standard(v)
	switch what {
	case aStream:
		return rawMover(&mover{writes: writes, urgent: !writes}, c)
	case aFile:
		if m := rawMover(&mover{writes: writes, file: true}, c); m != nil && m.moves() {
			return m
		}
	}
	return nil
}

func rawMover(m *mover, c syscall.Conn) *mover {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	m.raw = raw
	return m
}

// moves reports whether splice(2) is for a file: a pipe on which it does not
// block, or to write a regular file.
func (m *mover) moves() (ok bool) {
	m.raw.Control(func(fd uintptr) {
		switch pipe, regular := sys.PipeOrRegular(int(fd)); {
		case pipe:
			nonblock, errno := sys.Nonblock(int(fd))
			ok = nonblock && errno == 0
		case regular:
			ok = m.writes
		}
	})
	return ok
}

// What a value of the standard library is to a copy.
type standardKind int

const (
	aStranger standardKind = iota
	aStream                // a connection of package net
	aFile
)

// standard returns the connection or file of the standard library that v is. Where
// io.Copy asks a *net.TCPConn or an *os.File first to write itself, it comes in a
// struct that hides its WriteTo and is told by its name alone: a struct of
// somebody else's that embeds one may read otherwise.
func standard(v any) (syscall.Conn, standardKind) {
	switch v := v.(type) {
	case *net.TCPConn:
		return v, aStream
	case *net.UnixConn:
		if v.LocalAddr().Network() == "unix" {
			return v, aStream
		}
		return nil, aStranger
	case *os.File:
		return v, aFile
	}
	c, ok := v.(syscall.Conn)
	if !ok {
		return nil, aStranger
	}
	switch t := reflect.TypeOf(v); {
	case t.PkgPath() == "net" && t.Name() == "tcpConnWithoutWriteTo":
		return c, aStream
	case t.PkgPath() == "os" && t.Name() == "fileWithoutWriteTo":
		return c, aFile
	}
	return nil, aStranger
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
	if f, what := standard(r); what == aFile {
		n, handled, err = k.sendFile(f, limit)
	}
	if handled || err != nil {
	} else if from := moverOf(r, false); from != nil {
		n, err = spliceAll(to, from, limit)
		handled = true
	}
	if err == errByHand {
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
	if err == errByHand {
		var rest int64
		rest, err = io.Copy(onlyWriter{w}, onlyReader{k})
		n += rest
	}
	return n, true, err
}

// The system calls, which tests count.
var splice, sendfile = sys.Splice, sys.Sendfile

// splicingIn is the attempt of splice(2) from a socket into a pipe. It holds a
// pipe only while there are bytes in it.
type splicingIn struct {
	max      int
	pipe     poll.Pipe
	n        int
	urgent   bool
	blocking *atomic.Bool
	stopped  bool // it is not for splice(2) now, see errByHand

	across []byte // what a plain receive read across the urgent mark
	buf    []byte
}

func (s *splicingIn) try(fd int) syscall.Errno {
	if s.stopped = s.blocking.Load(); s.stopped {
		return 0
	}
	pipe, errno := poll.TakePipe()
	if s.stopped = errno != 0; s.stopped { // descriptors are out, or the memory of pipes
		return 0
	}
	s.across = nil
	s.n, errno = splice(fd, pipe.W, s.max)
	if errno == 0 && s.n > 0 {
		s.pipe = pipe
		return 0
	}
	pipe.Give()
	if s.stopped = errno == syscall.EINVAL; s.stopped {
		return 0
	}
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
	if errno == 0 && s.n == 0 && sys.WasReset(fd) {
		return syscall.ECONNRESET // which the writer was told of
	}
	return errno
}

// splicingOut is the attempt of splice(2) from a pipe into a socket.
type splicingOut struct {
	pipe     poll.Pipe
	left     int
	n        int
	blocking *atomic.Bool
	stopped  bool // it is not for splice(2) now, see errByHand
}

func (s *splicingOut) try(fd int) (errno syscall.Errno) {
	if s.stopped = s.blocking.Load(); s.stopped {
		return 0
	}
	s.n, errno = splice(s.pipe.R, fd, s.left)
	if s.stopped = errno == syscall.EINVAL; s.stopped {
		return 0
	}
	return errno
}

var splices = sync.Pool{New: func() any {
	return &struct {
		in  splicingIn
		out splicingOut
	}{}
}}

// spliceAll moves bytes until the end or the limit. With errByHand it has
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
		s.in.max = int(min(limit-moved, poll.PipeSize))
		errno, err := from.move(&s.in)
		switch {
		case err != nil:
			return moved, err
		case errno != 0:
			return moved, sys.Error("splice", errno)
		case s.in.stopped:
			return moved, errByHand
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
				err = sys.Error("splice", errno)
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

// drain sends the bytes that are in a pipe through the program, and returns
// errByHand once it has sent them all.
func (m *mover) drain(pipe poll.Pipe, left int) (sent int, err error) {
	b := make([]byte, min(left, 32<<10))
	for sent < left {
		n, errno := sys.Read(pipe.R, b)
		if errno != 0 {
			return sent, sys.Error("read", errno)
		}
		n, err := m.write(b[:n])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, errByHand
}

// write sends all of b.
func (m *mover) write(b []byte) (sent int, err error) {
	for sent < len(b) {
		n := 0
		var errno syscall.Errno
		if m.file {
			w := fileWriting{regular: true, terminal: -1, b: b[sent:]}
			errno, err = m.move(&w)
			n = w.n
		} else {
			s := sending{b: b[sent:]}
			errno, err = m.move(&s)
			n = s.n
		}
		if err == nil && errno != 0 {
			err = sys.Error("write", errno)
		}
		if err != nil {
			return sent, err
		}
		sent += n
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
	s.n, errno = sendfile(fd, s.from, s.max)
	return errno
}

// maxSendfile is the most bytes that one sendfile(2) takes.
const maxSendfile = 0x7ffff000

// sendFile sends a regular file from where it stands.
func (k *streamKernel) sendFile(f syscall.Conn, limit int64) (sent int64, handled bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, false, nil
	}
	controlErr := raw.Control(func(fd uintptr) {
		if regular, _ := sys.Regular(int(fd)); !regular {
			return
		}
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
				err = errByHand
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
