package socket

import (
	"context"
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
type connecting struct{}

func (connecting) try(fd int) syscall.Errno {
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
		return syscallError("connect", sys.Disconnect(k.fd))
	}
	var a sys.Sockaddr
	if err := peer.sockaddr(&a); err != nil {
		return err
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		errno := sys.Connect(k.fd, &a)
		switch errno {
		case syscall.EINPROGRESS, syscall.EALREADY, syscall.EINTR:
			errno, err := k.doContext(ctx, &k.write, connecting{})
			return firstError(err, "connect", errno)
		case syscall.EAGAIN:
			if k.kind.Domain != Unix {
				// No port is free for the source.
				return syscallError("connect", errno)
			}
			// The server's queue is full, and no event will say when it is not.
			if err := k.pause(ctx, &k.write, wait); err != nil {
				return err
			}
		default:
			return syscallError("connect", errno)
		}
	}
}
