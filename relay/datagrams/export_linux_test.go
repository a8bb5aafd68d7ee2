package datagrams

import (
	"syscall"
	"testing"

	"zocalo/internal/sys"
)

// BeforeSend calls f before each sendmmsg and sendto of relays that start from now on,
// with the headers to send: f says how many of them the call is to take, or why
// none leaves.
func BeforeSend(t testing.TB, f func(ms []sys.Msg) (most int, errno syscall.Errno)) {
	t.Cleanup(func() { sendmmsg, sendto = sys.RawSendmmsg, sys.RawSend })
	sendto = func(fd int, b []byte, flags int) (int, syscall.Errno) {
		if _, errno := f(make([]sys.Msg, 1)); errno != 0 {
			return 0, errno
		}
		return sys.RawSend(fd, b, flags)
	}
	sendmmsg = func(fd int, b *sys.Batch, first, end, flags int) (int, syscall.Errno) {
		most, errno := f(b.Msgs[first:end])
		if errno != 0 {
			return 0, errno
		}
		return sys.RawSendmmsg(fd, b, first, first+min(most, end-first), flags)
	}
}

// BeforeReceive does the same with recvmmsg.
func BeforeReceive(t testing.TB, f func(fd int) syscall.Errno) {
	t.Cleanup(func() { recvmmsg = sys.RawRecvmmsg })
	recvmmsg = func(fd int, b *sys.Batch, first, end, flags int) (int, syscall.Errno) {
		if errno := f(fd); errno != 0 {
			return 0, errno
		}
		return sys.RawRecvmmsg(fd, b, first, end, flags)
	}
}
