package bench

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/loop"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// An echoLoop is the event loop on which a server echoes streams of the
// kernel's, for as long as there are any: what the server itself adds to a
// round trip is then as little as it can be.
type echoLoop struct {
	loop  *loop.Loop
	users int
	over  chan struct{} // closed when the loop is gone
}

// echoFast echoes a stream of the kernel's until its end, and reports
// whether it did: what it does not is left as it was. It takes the socket's
// descriptor, and closes it.
func (s *Server) echoFast(ctx context.Context, c *socket.Socket) (handled bool, err error) {
	if _, ok := socket.As[socket.Descriptor](c); !ok || c.Type().Bounded() || c.Domain() == socket.Unspecified {
		return false, nil
	}
	if s.threads.Add(1) <= int64(runtime.GOMAXPROCS(0)) {
		defer s.threads.Add(-1)
		return true, s.echoWaiting(ctx, c)
	}
	s.threads.Add(-1)
	l, err := s.enterLoop()
	if err != nil {
		return false, nil // the other way needs no loop
	}
	defer s.leaveLoop(l)
	fd, err := c.Detach()
	if err != nil {
		return true, err
	}
	e := &echoing{loop: l.loop, fd: fd, patience: s.patience(), done: make(chan error, 1)}
	if !l.loop.Post(e.begin) {
		sys.Close(fd)
		return true, context.Canceled
	}
	stop := context.AfterFunc(ctx, func() { l.loop.Post(func() { e.end(context.Cause(ctx)) }) })
	defer stop()
	return true, <-e.done
}

// echoWaiting echoes by calls that wait in the system, on a thread of their
// own, which is woken sooner than a loop: for the first few streams.
func (s *Server) echoWaiting(ctx context.Context, c *socket.Socket) error {
	fd, err := c.Detach()
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	errno := sys.SetTimeouts(fd, s.patience())
	if errno == 0 {
		errno = sys.SetNonblock(fd, false)
	}
	if errno != 0 {
		return os.NewSyscallError("setsockopt", errno)
	}
	var shut sync.WaitGroup
	shut.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer shut.Done()
		sys.Shutdown(fd, int(socket.Both)) // which ends what waits
	})
	defer func() {
		if !stop() {
			shut.Wait() // the number may be another's once it is closed
		}
	}()
	stream := &blockingConn{fd: fd, stream: true}
	b := make([]byte, loop.ScratchSize)
	for {
		n, err := stream.Read(b)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			_, err = stream.Write(b[:n])
		}
		if err != nil {
			return err
		}
	}
}

// enterLoop returns the loop, which it starts if there is none.
func (s *Server) enterLoop() (*echoLoop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.echoes == nil {
		l, err := loop.New()
		if err != nil {
			return nil, err
		}
		e := &echoLoop{loop: l, over: make(chan struct{})}
		go func() {
			defer close(e.over)
			l.Run(context.Background())
		}()
		s.echoes = e
	}
	s.echoes.users++
	return s.echoes, nil
}

// leaveLoop ends the loop with its last user.
func (s *Server) leaveLoop(l *echoLoop) {
	s.mu.Lock()
	l.users--
	last := l.users == 0
	if last {
		s.echoes = nil
	}
	s.mu.Unlock()
	if last {
		l.loop.Post(l.loop.Stop)
		<-l.over
	}
}

// An echoing is a stream that is echoed on a loop.
type echoing struct {
	loop     *loop.Loop
	fd       int
	patience time.Duration
	timer    loop.Timer
	last     time.Duration // when octets moved, by the loop's clock
	rest     []byte        // what the system had no room for; meanwhile nothing is read
	over     bool
	done     chan error
}

func (e *echoing) begin() {
	e.last = e.loop.Now()
	e.loop.Arm(&e.timer, e.patience, e)
	if err := e.loop.Add(e.fd, loop.Readable, e); err != nil {
		e.end(err)
	}
}

// end closes the descriptor, once.
func (e *echoing) end(err error) {
	if e.over {
		return
	}
	e.over = true
	e.loop.Disarm(&e.timer)
	e.loop.CloseFD(e.fd)
	e.done <- err
}

// Expired ends a stream over which nothing moves.
func (e *echoing) Expired(t *loop.Timer) {
	idle := e.loop.Now() - e.last
	if idle >= e.patience {
		e.end(os.ErrDeadlineExceeded)
		return
	}
	e.loop.Arm(t, e.patience-idle, e)
}

// Ready sends back what came.
func (e *echoing) Ready(events loop.Events) {
	e.last = e.loop.Now()
	if len(e.rest) > 0 {
		if e.send(e.rest) && !e.over {
			e.rest = nil
			e.change(loop.Readable)
		}
		return
	}
	b := e.loop.Scratch()
	n, errno := sys.RawRecv(e.fd, b, 0)
	switch {
	case errno == syscall.EAGAIN:
	case errno != 0:
		e.end(os.NewSyscallError("recv", errno))
	case n == 0:
		e.end(nil)
	default:
		if !e.send(b[:n]) && !e.over {
			e.change(loop.Writable)
		}
	}
}

func (e *echoing) change(events loop.Events) {
	if err := e.loop.Change(e.fd, events); err != nil {
		e.end(err)
	}
}

// send sends b, or keeps what the system has no room for and returns false.
func (e *echoing) send(b []byte) bool {
	for len(b) > 0 {
		n, errno := sys.RawSend(e.fd, b, 0)
		if errno == syscall.EAGAIN {
			e.rest = append(e.rest[:0:0], b...)
			return false
		}
		if errno != 0 {
			e.end(os.NewSyscallError("send", errno))
			return false
		}
		b = b[n:]
	}
	return true
}
