//go:build darwin || freebsd || netbsd || openbsd

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// prepare makes a new descriptor nonblocking and close-on-exec, and keeps a
// broken connection from raising SIGPIPE.
func prepare(fd int) syscall.Errno {
	unix.CloseOnExec(fd)
	if errno := SetNonblock(fd, true); errno != 0 {
		return errno
	}
	if soNoSIGPIPE < 0 {
		return 0 // Go's runtime makes the signal the error that it stands for
	}
	return SetInt(fd, unix.SOL_SOCKET, soNoSIGPIPE, 1)
}

// Socket is socket(2), nonblocking and close-on-exec.
func Socket(domain, typ, protocol int) (int, syscall.Errno) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(systemFamily(domain), typ, protocol)
	if err != nil {
		return -1, errnoOf(err)
	}
	if errno := prepare(fd); errno != 0 {
		Close(fd)
		return -1, errno
	}
	return fd, 0
}

// Socketpair is socketpair(2), nonblocking and close-on-exec.
func Socketpair(domain, typ, protocol int) (a, b int, errno syscall.Errno) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(systemFamily(domain), typ, protocol)
	if err != nil {
		return -1, -1, errnoOf(err)
	}
	for _, fd := range fds {
		if errno := prepare(fd); errno != 0 {
			Close(fds[0])
			Close(fds[1])
			return -1, -1, errno
		}
	}
	return fds[0], fds[1], 0
}

// Bind is bind(2).
func Bind(fd int, a *Sockaddr) syscall.Errno {
	sa := a.unix()
	if sa == nil {
		return syscall.EAFNOSUPPORT
	}
	return errnoOf(unix.Bind(fd, sa))
}

// Accept is accept(2), nonblocking and close-on-exec. It fills in a.
func Accept(fd int, a *Sockaddr) (int, syscall.Errno) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, sa := -1, unix.Sockaddr(nil)
	errno := restarted(func() (err error) {
		n, sa, err = unix.Accept(fd)
		return err
	})
	if errno != 0 {
		return -1, errno
	}
	a.set(sa)
	if errno := prepare(n); errno != 0 {
		Close(n)
		return -1, errno
	}
	return n, 0
}

// Connect is connect(2). It does not restart after EINTR, which the caller
// treats as EINPROGRESS.
func Connect(fd int, a *Sockaddr) syscall.Errno {
	sa := a.unix()
	if sa == nil {
		return syscall.EAFNOSUPPORT
	}
	return errnoOf(unix.Connect(fd, sa))
}

// Disconnect takes the peer from a datagram socket; x/sys has no way to say
// so on these systems.
func Disconnect(int) syscall.Errno { return syscall.EOPNOTSUPP }

// Getsockname is getsockname(2).
func Getsockname(fd int, a *Sockaddr) syscall.Errno { return getname(unix.Getsockname, fd, a) }

// Getpeername is getpeername(2).
func Getpeername(fd int, a *Sockaddr) syscall.Errno { return getname(unix.Getpeername, fd, a) }

func getname(call func(int) (unix.Sockaddr, error), fd int, a *Sockaddr) syscall.Errno {
	sa, err := call(fd)
	if err != nil {
		return errnoOf(err)
	}
	a.set(sa)
	return 0
}

// Recv is recv(2).
func Recv(fd int, b []byte, flags int) (n int, errno syscall.Errno) {
	errno = restarted(func() (err error) { n, _, err = unix.Recvfrom(fd, b, flags); return err })
	return max(n, 0), errno
}

// Send is send(2).
func Send(fd int, b []byte, flags int) (n int, errno syscall.Errno) {
	errno = restarted(func() (err error) { n, err = unix.SendmsgN(fd, b, nil, nil, flags); return err })
	return max(n, 0), errno
}

// Recvmsg is recvmsg(2). Name, Control (cut to what arrived) and Flags are
// filled in.
func Recvmsg(fd int, m *Msg, flags int) (n int, errno syscall.Errno) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	errno = restarted(func() (err error) {
		var controlled int
		var from unix.Sockaddr
		n, controlled, m.Flags, from, err = unix.RecvmsgBuffers(fd, m.first(), m.Control, flags)
		if err == nil {
			m.Control = m.Control[:controlled]
			m.Name.set(from)
		}
		return err
	})
	if errno != 0 {
		return 0, errno
	}
	for rest := m.Control; len(rest) > 0; {
		var c Cmsg
		var ok bool
		if c, rest, ok = NextCmsg(rest); !ok {
			break
		}
		if IsFiles(c) {
			for _, passed := range Files(c) {
				unix.CloseOnExec(passed)
			}
		}
	}
	return n, 0
}

// Sendmsg is sendmsg(2), to m.Name if it has one. Of more than MaxBuffers
// buffers it sends the first, which only a stream may do.
func Sendmsg(fd int, m *Msg, flags int) (n int, errno syscall.Errno) {
	errno = restarted(func() (err error) {
		n, err = unix.SendmsgBuffers(fd, m.first(), m.Control, m.Name.unix(), flags)
		return err
	})
	return max(n, 0), errno
}

// Ready reports whether one of events holds for fd now: poll(2), whose bits are
// those of epoll.
func Ready(fd int, events uint32) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: int16(events)}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return err != nil || n > 0
		}
	}
}

// AtMark is the ioctl SIOCATMARK of sockatmark(3).
func AtMark(fd int) (bool, syscall.Errno) {
	n, err := unix.IoctlGetInt(fd, siocatmark)
	if err != nil {
		return false, errnoOf(err)
	}
	return n != 0, 0
}

// siocatmark is _IOR('s', 7, int) of sys/sockio.h.
const siocatmark = 0x40047307
