package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket is socket(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
func Socket(domain, typ, protocol int) (int, syscall.Errno) {
	fd, err := unix.Socket(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	return fd, errnoOf(err)
}

// Socketpair is socketpair(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
func Socketpair(domain, typ, protocol int) (a, b int, errno syscall.Errno) {
	fds, err := unix.Socketpair(domain, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	return fds[0], fds[1], errnoOf(err)
}

// Bind is bind(2).
func Bind(fd int, a *Sockaddr) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)), uintptr(a.Len))
	return errno
}

// Accept is accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC. It fills in a.
func Accept(fd int, a *Sockaddr) (int, syscall.Errno) {
	a.Len = maxSockaddr
	return call(false, unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)),
		uintptr(unsafe.Pointer(&a.Len)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
}

// Connect is connect(2). It does not restart after EINTR, which the caller
// treats as EINPROGRESS.
func Connect(fd int, a *Sockaddr) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)), uintptr(a.Len))
	return errno
}

// Disconnect is connect(2) with AF_UNSPEC: it takes the peer from a datagram
// socket.
func Disconnect(fd int) syscall.Errno {
	var a Sockaddr
	a.Len = 16
	return Connect(fd, &a)
}

// Getsockname is getsockname(2).
func Getsockname(fd int, a *Sockaddr) syscall.Errno { return getname(unix.SYS_GETSOCKNAME, fd, a) }

// Getpeername is getpeername(2).
func Getpeername(fd int, a *Sockaddr) syscall.Errno { return getname(unix.SYS_GETPEERNAME, fd, a) }

func getname(call uintptr, fd int, a *Sockaddr) syscall.Errno {
	a.Len = maxSockaddr
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)), uintptr(unsafe.Pointer(&a.Len)))
	return errno
}

// Recv is recv(2).
func Recv(fd int, b []byte, flags int) (int, syscall.Errno) {
	return call(isBrief(flags, len(b)), unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
}

// Send is send(2) with MSG_NOSIGNAL.
func Send(fd int, b []byte, flags int) (int, syscall.Errno) {
	return call(isBrief(flags, len(b)), unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
}

// Ready reports whether one of events holds for fd now: poll(2), whose bits are
// those of epoll. Like AtMark and Pending it is brief.
func Ready(fd int, events uint32) bool {
	p, atOnce := unix.PollFd{Fd: int32(fd), Events: int16(events)}, unix.Timespec{}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0)
		if errno != unix.EINTR {
			return errno != 0 || n > 0
		}
	}
}

// call makes a call again until no signal interrupts it. What it points to must
// be on the heap. A brief one does not tell Go's scheduler that the thread is in the
// kernel, as those named Raw do not: the runtime's monitor would wake every 20 us to look
// for threads that stay there, and take the goroutines behind them to another thread. Of a
// relay by 64 KiB that was a quarter of the processor time.
//
//go:uintptrescapes
func call(brief bool, number, a1, a2, a3, a4, a5, a6 uintptr) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if brief {
			n, _, errno = unix.RawSyscall6(number, a1, a2, a3, a4, a5, a6)
		} else {
			n, _, errno = unix.Syscall6(number, a1, a2, a3, a4, a5, a6)
		}
		if errno != unix.EINTR {
			return count(n, errno)
		}
	}
}

// isBrief reports whether a call with those flags that moves at most so many bytes cannot
// wait, and is soon over for whoever waits for its thread, as garbage collection.
func isBrief(flags, bytes int) bool { return flags&unix.MSG_DONTWAIT != 0 && bytes <= 256<<10 }

func count(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// A Msg is the argument of Sendmsg and Recvmsg: msghdr of recvmsg(2), with
// the memory that it points to. It is used again and again; a Msg on the heap
// makes the calls free of allocation once its buffers were set.
type Msg struct {
	Name    Sockaddr // Len 0 sends to the peer
	Control []byte   // whole capacity for Recvmsg; what to send for Sendmsg
	Flags   int      // of the message received

	iov  []unix.Iovec
	sent int // how many of iov Advance has dropped
	hdr  unix.Msghdr
}

// SetBuffers makes the message gather from, or scatter to, those buffers. The
// buffers stay referenced until ClearBuffers.
func (m *Msg) SetBuffers(buffers [][]byte) {
	m.iov, m.sent = m.iov[:0], 0
	for _, b := range buffers {
		m.AddBuffer(b)
	}
}

// SetBuffer makes b the only buffer.
func (m *Msg) SetBuffer(b []byte) {
	m.iov, m.sent = m.iov[:0], 0
	m.AddBuffer(b)
}

// AddBuffer makes b the next buffer, of which there may be MaxBuffers.
func (m *Msg) AddBuffer(b []byte) {
	if len(b) > 0 {
		v := unix.Iovec{Base: &b[0]}
		v.SetLen(len(b))
		m.iov = append(m.iov, v)
	}
}

// MaxBuffers is the most buffers of one call: UIO_MAXIOV.
const MaxBuffers = 1024

// Advance drops the first n bytes, which were sent.
func (m *Msg) Advance(n int) {
	for n > 0 && !m.Empty() {
		v := &m.iov[m.sent]
		if l := int(v.Len); n >= l {
			n -= l
			m.sent++
			continue
		}
		v.Base = (*byte)(unsafe.Add(unsafe.Pointer(v.Base), n))
		v.SetLen(int(v.Len) - n)
		n = 0
	}
}

// Empty reports whether nothing is left to send.
func (m *Msg) Empty() bool { return m.sent == len(m.iov) }

// ClearBuffers lets go of the caller's memory.
func (m *Msg) ClearBuffers() {
	clear(m.iov)
	m.iov, m.sent = m.iov[:0], 0
	m.hdr = unix.Msghdr{}
}

func (m *Msg) prepare(namelen uint32) *unix.Msghdr {
	h := &m.hdr
	*h = unix.Msghdr{}
	if namelen > 0 {
		h.Name, h.Namelen = &m.Name.Buf[0], namelen
	}
	if iov := m.iov[m.sent:]; len(iov) > 0 {
		h.Iov = &iov[0]
		h.SetIovlen(min(len(iov), MaxBuffers))
	}
	if len(m.Control) > 0 {
		h.Control = &m.Control[0]
		h.SetControllen(len(m.Control))
	}
	return h
}

// size is how many bytes the message has room for.
func (m *Msg) size() (n int) {
	for i := range m.iov {
		n += int(m.iov[i].Len)
	}
	return n
}

// Recvmsg is recvmsg(2). Name, Control (cut to what arrived) and Flags are
// filled in. Descriptors are close-on-exec only with that flag.
func Recvmsg(fd int, m *Msg, flags int) (int, syscall.Errno) {
	h := m.prepare(maxSockaddr)
	n, errno := call(isBrief(flags, m.size()), unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags), 0, 0, 0)
	if errno == 0 {
		m.received(h)
	}
	return n, errno
}

// received takes over what the kernel has filled in.
func (m *Msg) received(h *unix.Msghdr) {
	m.Name.Len = h.Namelen
	m.Control = m.Control[:h.Controllen]
	m.Flags = int(h.Flags)
}

// Sendmsg is sendmsg(2) with MSG_NOSIGNAL, to m.Name if it has one. Of more
// than MaxBuffers buffers it sends the first, which only a stream may do.
func Sendmsg(fd int, m *Msg, flags int) (int, syscall.Errno) {
	h := m.prepare(m.Name.Len)
	return call(isBrief(flags, m.size()), unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0, 0)
}

// Splice is splice(2) with SPLICE_F_MOVE and SPLICE_F_NONBLOCK: at most max
// bytes, one side of which is a pipe.
func Splice(from, to, max int) (int, syscall.Errno) {
	return call(false, unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(max), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
}

// Sendfile is sendfile(2) from the file's own position.
func Sendfile(to, from, max int) (int, syscall.Errno) {
	return call(false, unix.SYS_SENDFILE, uintptr(to), uintptr(from), 0, uintptr(max), 0, 0)
}

// ReadNow is preadv2(2) with RWF_NOWAIT at the file's position: it reads from
// a blocking descriptor without blocking. What cannot do that answers
// EOPNOTSUPP.
func ReadNow(fd int, b []byte) (int, syscall.Errno) {
	return vectorNow(unix.SYS_PREADV2, fd, b)
}

// WriteNow is pwritev2(2) with RWF_NOWAIT, as ReadNow.
func WriteNow(fd int, b []byte) (int, syscall.Errno) {
	return vectorNow(unix.SYS_PWRITEV2, fd, b)
}

func vectorNow(call uintptr, fd int, b []byte) (int, syscall.Errno) {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	for {
		// An offset of -1, in two registers, means the current position.
		n, _, errno := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&v)), 1, ^uintptr(0), ^uintptr(0), unix.RWF_NOWAIT)
		if errno != unix.EINTR {
			return count(n, errno)
		}
	}
}

// Getsockopt is getsockopt(2) into b, and returns how much of it was filled.
func Getsockopt(fd, level, name int, b []byte) (int, syscall.Errno) {
	n := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(&n)), 0)
	return int(n), errno
}

// Setsockopt is setsockopt(2) from b.
func Setsockopt(fd, level, name int, b []byte) syscall.Errno {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0)
	return errno
}
