package socket

import (
	"context"
	"runtime"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// The waits between attempts where only time helps: doubled from the first to
// the last.
const (
	firstBackoff = time.Millisecond
	lastBackoff  = 50 * time.Millisecond
)

// connecting is the attempt to see a connect(2) through that was begun.
type connecting struct {
	k  *kernel
	to *sys.Sockaddr
}

func (c connecting) try(fd int) syscall.Errno {
	if repeats(c.k.kind.Domain) {
		switch errno := c.k.connect(c.to); errno {
		case syscall.EINPROGRESS, syscall.EALREADY, syscall.EINTR:
			return syscall.EAGAIN
		default:
			return errno
		}
	}
	pending, errno := sys.GetInt(fd, sys.SOL_SOCKET, sys.SO_ERROR)
	if errno != 0 {
		return errno
	}
	if pending != 0 {
		return syscall.Errno(pending)
	}
	// Without an error it is connected, or the poller woke it too early.
	var a sys.Sockaddr
	if errno := sys.Getpeername(fd, &a); errno == syscall.ENOTCONN {
		return syscall.EAGAIN
	}
	return 0
}

// repeats reports whether connect(2), called again, tells how the first call
// ended. Linux's internet sockets want that: after SO_ERROR alone, the next
// connect(2) would answer for this one.
func repeats(d Domain) bool { return runtime.GOOS == "linux" && (d == Inet || d == Inet6) }

// Connect implements Connector. The zero Name takes the peer from a datagram
// socket.
func (k *kernel) Connect(ctx context.Context, peer Name) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.begin(ctx, &k.write); err != nil {
		return err
	}
	defer k.end(&k.write)
	k.name.Store(nil)
	k.peer.Store(nil)
	if peer.IsZero() && k.kind.Type == Datagram {
		return sys.Error("connect", sys.Disconnect(k.fd))
	}
	var a sys.Sockaddr
	if err := k.sockaddr(&peer, &a); err != nil {
		return err
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		errno := k.connect(&a)
		switch errno {
		case syscall.EINPROGRESS, syscall.EALREADY, syscall.EINTR:
			errno, err := k.doContext(ctx, &k.write, connecting{k, &a})
			if err == nil && errno == 0 {
				k.rememberPeer(&a)
			}
			return firstError(err, "connect", errno)
		case syscall.EAGAIN:
			if k.kind.Domain != Unix {
				// No port is free for the source.
				return sys.Error("connect", errno)
			}
			// The server's queue is full, and no event will say when it is not.
			if err := k.pause(ctx, &k.write, wait); err != nil {
				return err
			}
		default:
			if errno == 0 {
				k.rememberPeer(&a)
			}
			return sys.Error("connect", errno)
		}
	}
}

// rememberPeer keeps the name that an internet stream or a raw socket has connected
// to: after a reset the system does not tell it any more, and the error of the read that
// finds that out is to name it; of a raw socket, which has no port, it never does. To no particular address is to one of the
// machine's own, which the system has chosen.
func (k *kernel) rememberPeer(to *sys.Sockaddr) {
	if d := k.kind.Domain; k.kind.Type == Datagram || d != Inet && d != Inet6 {
		return
	}
	var peer Name
	peer.setSockaddr(to)
	if !peer.AddrPort().Addr().IsUnspecified() {
		k.peer.Store(&peer)
	}
}

// connect is connect(2) that does not wait. There is no flag for that, so a
// descriptor that is blocking is made nonblocking for the moment.
func (k *kernel) connect(a *sys.Sockaddr) syscall.Errno {
	if k.blocking.Load() {
		sys.SetNonblock(k.fd, true)
		defer sys.SetNonblock(k.fd, false)
	}
	return sys.Connect(k.fd, a)
}
