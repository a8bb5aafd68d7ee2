package socket

import (
	"context"
	"io"
	"syscall"

	"zocalo/internal/sys"
)

// urging is the attempt of recv(2) with MSG_OOB.
type urging struct {
	b     []byte
	n     int
	ended bool // the stream ended, and there is nothing urgent to come
}

func (u *urging) try(fd int) (errno syscall.Errno) {
	u.n, errno = sys.Recv(fd, u.b, sys.OutOfBand|sys.DontWait)
	switch errno {
	case 0:
		u.ended = u.n == 0
	case syscall.EINVAL, syscall.EAGAIN:
		// There is none, or it was announced and is not here yet. The wait
		// for it also ends with the stream; ask in this order, or what comes
		// between is missed.
		if !sys.Ready(fd, sys.Ended) {
			return syscall.EAGAIN
		}
		u.n, errno = sys.Recv(fd, u.b, sys.OutOfBand|sys.DontWait)
		if errno != 0 {
			u.ended = true
			return 0
		}
	case syscall.ENOTCONN:
		u.ended = true
		return 0
	}
	return errno
}

// ReceiveUrgent implements UrgentMessenger.
func (k *urgentKernel) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := k.begin(ctx, &k.urgent); err != nil {
		return 0, err
	}
	defer k.end(&k.urgent)
	if inline, errno := sys.GetInt(k.fd, sys.SOL_SOCKET, sys.SO_OOBINLINE); errno == 0 && inline != 0 {
		return 0, sys.Error("recv", syscall.EINVAL)
	}
	u := &k.urging
	u.b, u.ended = b, false
	errno, err := k.doContext(ctx, &k.urgent, u)
	u.b = nil
	switch {
	case err != nil || errno != 0:
		return 0, firstError(err, "recv", errno)
	case u.ended:
		return 0, io.EOF
	}
	return u.n, nil
}

// SendUrgent implements UrgentMessenger.
func (k *urgentKernel) SendUrgent(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return k.write1(b, sys.OutOfBand)
}

// AtMark implements UrgentMessenger.
func (k *urgentKernel) AtMark() (bool, error) {
	if err := k.enter(); err != nil {
		return false, err
	}
	defer k.leave()
	at, errno := sys.AtMark(k.fd)
	return at, sys.Error("ioctl", errno)
}
