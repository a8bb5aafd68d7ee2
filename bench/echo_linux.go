package bench

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// echoWaiting echoes one of the first few streams of the kernel's until its
// end, by calls that wait in the system, on a thread of their own, which is
// woken sooner than a goroutine: what the server itself adds to a round trip is
// then as little as it can be. It reports whether it did: what it does not is
// left as it was. It takes the socket's descriptor, and closes it.
func (s *Server) echoWaiting(ctx context.Context, c *socket.Socket) (handled bool, err error) {
	if _, ok := socket.As[socket.Detacher](c.Unwrap()); !ok || c.Type().Bounded() || c.Domain() == socket.Unspecified {
		return false, nil
	}
	defer s.threads.Add(-1)
	if s.threads.Add(1) > int64(runtime.GOMAXPROCS(0)) {
		return false, nil
	}
	waiting, errno, err := newBlockingConn(c, s.patience())
	if err != nil {
		return true, err
	}
	defer sys.Close(waiting.fd)
	if errno != 0 {
		return true, os.NewSyscallError("setsockopt", errno)
	}
	var shut sync.WaitGroup
	shut.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer shut.Done()
		sys.Shutdown(waiting.fd, int(socket.ShutdownBoth)) // which ends what waits
	})
	defer func() {
		if !stop() {
			shut.Wait() // the number may be another's once it is closed
		}
	}()
	for b := make([]byte, 64<<10); ; {
		n, err := waiting.Read(b)
		if err == io.EOF {
			return true, nil
		}
		if err == nil {
			_, err = waiting.Write(b[:n])
		}
		if err != nil {
			return true, err
		}
	}
}
