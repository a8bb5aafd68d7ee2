package socket

import (
	"context"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

func init() {
	Register(&Family{
		Name:       "file",
		Domains:    map[Domain]string{Unspecified: "AF_UNSPEC"},
		FormatName: func(Name) string { return "" },
		KindName:   func(Kind) string { return "file" },
		Kinds:      map[string]Kind{"file": {Type: Stream}},
		Properties: func(Kind) Properties {
			return Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true}
		},
	})
}

// file is the endpoint of a descriptor that is no socket: a pipe, a terminal,
// a device, a regular file. It reads and writes, and that is all.
//
// The status flags of an inherited descriptor belong to other programs too,
// so they stay as they are: what blocks is asked first whether it would.
type file struct {
	descriptor
	reading fileReading
	writing fileWriting
}

// newFile makes the endpoint of a descriptor, which it then owns. A blocking
// one is treated as shared.
func newFile(fd int) (*file, error) {
	regular, errno := sys.Regular(fd)
	if errno != 0 {
		return nil, sys.Error("fstat", errno)
	}
	nonblock, errno := sys.Nonblock(fd)
	if errno != 0 {
		return nil, sys.Error("fcntl", errno)
	}
	f := &file{}
	f.init(fd, !nonblock)
	f.reading.never = sys.WriteOnly(fd)
	f.reading.regular, f.reading.blocking = regular, &f.blocking
	f.writing.regular, f.writing.blocking = regular, &f.blocking
	f.writing.terminal = -1
	if !nonblock {
		f.writing.terminal, _ = sys.ReopenTerminal(fd)
	}
	return f, nil
}

// fileReading is the attempt of read(2).
type fileReading struct {
	regular     bool         // never makes wait
	never       bool         // opened to be written only
	blocking    *atomic.Bool // the descriptor's: ask before reading
	cannotAsk   bool         // preadv2(2) refuses to: ask by poll(2)
	firstWriter bool         // a FIFO that nobody has opened to write yet has not ended

	b []byte
	n int
}

// AwaitWriter makes reads of a FIFO wait for its first writer, before whom it has not
// ended. It must be called before the first read.
func (f *file) AwaitWriter() { f.reading.firstWriter = true }

func (r *fileReading) try(fd int) (errno syscall.Errno) {
	if r.firstWriter {
		if !sys.Ready(fd, sys.Readable) {
			return syscall.EAGAIN
		}
		r.firstWriter = false
	}
	if !r.regular && r.blocking.Load() {
		if !r.cannotAsk {
			r.n, errno = sys.ReadNow(fd, r.b)
			if !lacking(errno) {
				return errno
			}
			r.cannotAsk = true
		}
		if !sys.Ready(fd, sys.Readable) {
			return syscall.EAGAIN
		}
	}
	r.n, errno = sys.Read(fd, r.b)
	return errno
}

// fileWriting is the attempt of write(2).
type fileWriting struct {
	regular   bool
	blocking  *atomic.Bool
	cannotAsk bool
	terminal  int // the same terminal, opened again as nonblocking; -1 for none

	b []byte
	n int
}

// pipeAtom is what a pipe takes without blocking once it is writable at all:
// PIPE_BUF of pipe(7).
const pipeAtom = 4096

func (w *fileWriting) try(fd int) (errno syscall.Errno) {
	b := w.b
	if w.terminal >= 0 {
		w.n, errno = sys.Write(w.terminal, b)
		return errno
	}
	if !w.regular && w.blocking.Load() {
		if !w.cannotAsk {
			w.n, errno = sys.WriteNow(fd, b)
			if !lacking(errno) {
				return errno
			}
			w.cannotAsk = true
		}
		if !sys.Ready(fd, sys.Writable) {
			return syscall.EAGAIN
		}
		b = b[:min(len(b), pipeAtom)]
	}
	w.n, errno = sys.Write(fd, b)
	return errno
}

// lacking reports whether a call is one that the file does not have.
func lacking(errno syscall.Errno) bool {
	return errno == syscall.EOPNOTSUPP || errno == syscall.ENOSYS || errno == syscall.EINVAL || errno == syscall.ESPIPE
}

func (f *file) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := f.begin(context.Background(), &f.read); err != nil {
		return 0, err
	}
	r := &f.reading
	r.b = b
	errno, err := f.do(&f.read, r)
	n := r.n
	r.b = nil
	f.end(&f.read)
	switch {
	case err != nil || errno != 0:
		return 0, firstError(err, "read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// WaitRead implements ReadWaiter. What was opened to be written only never has
// something to read, as reading it tells at once; a regular file always has, and is not
// asked: where a program serves the file system, poll(2) waits for that.
func (f *file) WaitRead() error {
	if f.reading.never || f.reading.regular {
		return nil
	}
	return f.descriptor.WaitRead()
}

func (f *file) Write(b []byte) (int, error) {
	if err := f.begin(context.Background(), &f.write); err != nil {
		return 0, err
	}
	w := &f.writing
	sent := 0
	var err error
	for sent < len(b) && err == nil {
		var errno syscall.Errno
		w.b = b[sent:]
		errno, err = f.do(&f.write, w)
		if err = firstError(err, "write", errno); err == nil {
			sent += w.n
		}
	}
	w.b = nil
	f.end(&f.write)
	return sent, err
}

func (f *file) SetReadDeadline(t time.Time) error { return f.setDeadline(&f.read, t) }

func (f *file) SetWriteDeadline(t time.Time) error { return f.setDeadline(&f.write, t) }

func (f *file) Name() Name { return Name{} }

func (f *file) Peer() Name { return Name{} }

func (f *file) Close() error {
	err := f.close()
	if err == nil {
		f.closeTerminal()
	}
	return err
}

func (f *file) closeTerminal() {
	if f.writing.terminal >= 0 {
		sys.Close(f.writing.terminal)
	}
}

// FD implements Descriptor.
func (f *file) FD() int {
	if f.closed() {
		return -1
	}
	return f.fd
}

func (f *file) SyscallConn() (syscall.RawConn, error) { return rawConn{&f.descriptor}, nil }

func (f *file) File() (*os.File, error) { return f.duplicate("file") }

func (f *file) Detach() (int, error) {
	fd, err := f.detach()
	if err == nil {
		f.closeTerminal()
	}
	return fd, err
}

// FromFD makes a socket of a descriptor, which it then owns and makes
// close-on-exec. The kind is asked of the system; a descriptor that is no
// socket becomes one of domain [Unspecified] and type [Stream] that only reads
// and writes. Its status flags stay as they are, and a blocking descriptor
// honours deadlines all the same, since it is waited for before each call.
//
// One case is beyond that: Accept on a blocking listener that another program
// accepts from as well. Should that program take the connection between the
// wait and accept(2), which has no flag against blocking, the call stays in the
// system until the next connection, deadlines and Close notwithstanding. Whoever
// shares a listener sets O_NONBLOCK on it.
func FromFD(fd int) (*Socket, error) {
	k, isSocket, err := kindOfFD(fd)
	if err != nil {
		return nil, err
	}
	if errno := sys.CloseOnExec(fd); errno != 0 {
		return nil, sys.Error("fcntl", errno)
	}
	if !isSocket {
		f, err := newFile(fd)
		if err != nil {
			return nil, err
		}
		return Wrap(f, Kind{Type: Stream}), nil
	}
	nonblock, errno := sys.Nonblock(fd)
	if errno != 0 {
		return nil, sys.Error("fcntl", errno)
	}
	e, base := newKernel(fd, k, !nonblock)
	if err := base.prepareFD(); err != nil {
		return nil, err
	}
	if j, ok := e.(joiner); ok {
		_, _ = j.GRO() // so that it knows what was set before
	}
	return Wrap(e, k), nil
}

// FromFile makes a socket of a duplicate of f's descriptor, as FromFD; f stays
// the caller's.
func FromFile(f *os.File) (*Socket, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, errno := -1, syscall.Errno(0)
	if err := raw.Control(func(n uintptr) { fd, errno = sys.Dup(int(n)) }); err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, sys.Error("dup", errno)
	}
	s, err := FromFD(fd)
	if err != nil {
		sys.Close(fd)
	}
	return s, err
}
