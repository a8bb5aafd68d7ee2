package sys

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls named Raw do not tell Go's scheduler that the thread is in the
// kernel. That is cheaper, and right only where the call cannot wait: on a
// nonblocking descriptor, or with a timeout of zero. Until such a call returns
// garbage collection may have to wait for it, so what one call moves must be
// bounded. What they point to must be on the heap.

// A RawHook stands before each raw call, in tests. It may change the
// arguments, as a length to make the count short, or answer in the kernel's
// stead: with an errno, which restarts the call if it is EINTR.
type RawHook func(call uintptr, args *[6]uintptr) (n int, errno syscall.Errno, answered bool)

var rawHook atomic.Pointer[RawHook]

// SetRawHook makes hook stand before the raw calls of the whole process; nil
// removes it.
func SetRawHook(hook RawHook) {
	if hook == nil {
		rawHook.Store(nil)
		return
	}
	rawHook.Store(&hook)
}

//go:uintptrescapes
func raw(call, a1, a2, a3, a4, a5, a6 uintptr) (int, syscall.Errno) {
	for {
		n, errno := rawOnce(call, a1, a2, a3, a4, a5, a6)
		if errno != unix.EINTR {
			return n, errno
		}
	}
}

//go:uintptrescapes
func rawOnce(call, a1, a2, a3, a4, a5, a6 uintptr) (int, syscall.Errno) {
	if hook := rawHook.Load(); hook != nil {
		args := [6]uintptr{a1, a2, a3, a4, a5, a6}
		if n, errno, answered := (*hook)(call, &args); answered {
			return n, errno
		}
		a1, a2, a3, a4, a5, a6 = args[0], args[1], args[2], args[3], args[4], args[5]
	}
	n, _, errno := unix.RawSyscall6(call, a1, a2, a3, a4, a5, a6)
	return count(n, errno)
}

// RawRecv is recv(2).
func RawRecv(fd int, b []byte, flags int) (int, syscall.Errno) {
	return raw(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
}

// RawSend is send(2) with MSG_NOSIGNAL.
func RawSend(fd int, b []byte, flags int) (int, syscall.Errno) {
	return raw(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
}

// RawRecvmsg is Recvmsg.
func RawRecvmsg(fd int, m *Msg, flags int) (int, syscall.Errno) {
	h := m.prepare(maxSockaddr)
	n, errno := raw(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags), 0, 0, 0)
	if errno == 0 {
		m.received(h)
	}
	return n, errno
}

// RawSendmsg is Sendmsg.
func RawSendmsg(fd int, m *Msg, flags int) (int, syscall.Errno) {
	h := m.prepare(m.Name.Len)
	return raw(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0, 0)
}

// RawSplice is Splice.
func RawSplice(from, to, max int) (int, syscall.Errno) {
	return raw(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(max), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
}

// RawAccept is Accept on a nonblocking listener.
func RawAccept(fd int, a *Sockaddr) (int, syscall.Errno) {
	a.Len = maxSockaddr
	return raw(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)),
		uintptr(unsafe.Pointer(&a.Len)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
}

// RawConnect is connect(2) of a nonblocking descriptor. It does not restart
// after EINTR, which is to be treated as EINPROGRESS.
func RawConnect(fd int, a *Sockaddr) syscall.Errno {
	_, errno := rawOnce(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)), uintptr(a.Len), 0, 0, 0)
	return errno
}

// RawShutdown is shutdown(2).
func RawShutdown(fd, how int) syscall.Errno {
	_, errno := raw(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0, 0, 0, 0)
	return errno
}

// RawSetsockopt is setsockopt(2) from b.
func RawSetsockopt(fd, level, name int, b []byte) syscall.Errno {
	_, errno := raw(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0)
	return errno
}

// RawGetsockopt is getsockopt(2) into b, whose length it takes from n and
// leaves there.
func RawGetsockopt(fd, level, name int, b []byte, n *uint32) syscall.Errno {
	*n = uint32(len(b))
	_, errno := raw(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(n)), 0)
	return errno
}

// RawGetsockname is getsockname(2).
func RawGetsockname(fd int, a *Sockaddr) syscall.Errno {
	a.Len = maxSockaddr
	_, errno := raw(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&a.Buf)), uintptr(unsafe.Pointer(&a.Len)), 0, 0, 0)
	return errno
}

// RawAtMark is AtMark; v is where the system writes its answer.
func RawAtMark(fd int, v *int32) (bool, syscall.Errno) {
	_, errno := raw(unix.SYS_IOCTL, uintptr(fd), unix.SIOCATMARK, uintptr(unsafe.Pointer(v)), 0, 0, 0)
	return errno == 0 && *v != 0, errno
}

// RawPending is Pending; v is where the system writes its answer.
func RawPending(fd int, v *int32) (int, syscall.Errno) {
	_, errno := raw(unix.SYS_IOCTL, uintptr(fd), unix.TIOCINQ, uintptr(unsafe.Pointer(v)), 0, 0, 0)
	return int(*v), errno
}

// RawUnsent is SIOCOUTQ: what was sent and not acknowledged, or not read over a
// unix stream; v is where the system writes its answer.
func RawUnsent(fd int, v *int32) (int, syscall.Errno) {
	*v = 0
	_, errno := raw(unix.SYS_IOCTL, uintptr(fd), unix.TIOCOUTQ, uintptr(unsafe.Pointer(v)), 0, 0, 0)
	return int(*v), errno
}

// RawFinished reports whether the FIN of a TCP peer came, all before it having
// been read, if the system can tell; b is 16 bytes of memory for the call.
func RawFinished(fd int, b []byte, n *uint32) (came, known bool) {
	clear(b)
	return finished(RawGetsockopt(fd, unix.IPPROTO_TCP, unix.TCP_ZEROCOPY_RECEIVE, b[:zeroCopyReceive], n))
}

// Pipe is pipe2(2), nonblocking and close-on-exec, raw.
func Pipe() (r, w int, errno syscall.Errno) {
	var fds [2]int32
	_, errno = raw(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&fds)), unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0, 0, 0)
	return int(fds[0]), int(fds[1]), errno
}
