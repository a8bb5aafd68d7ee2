package socket

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"zocalo/internal/sys"
)

// A script is an attempt that answers what the test says.
type script struct {
	answers []syscall.Errno
	tries   int
}

func (s *script) try(fd int) syscall.Errno {
	var b [1 << 12]byte
	sys.Recv(fd, b[:], sys.DontWait) // so that there is room for further events
	errno := s.answers[0]
	s.tries++
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return errno
}

// pairOf makes a descriptor that is connected to fd.
func pairOf(t *testing.T, blocking bool) (d *descriptor, fd int) {
	t.Helper()
	x, fd, errno := sys.Socketpair(int(Unix), int(Stream), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if blocking {
		sys.SetNonblock(x, false)
	}
	d = new(descriptor)
	d.init(x, blocking)
	t.Cleanup(func() { d.close(); sys.Close(fd) })
	return d, fd
}

func TestAttempts(t *testing.T) {
	for _, e := range []struct {
		name    string
		answers []syscall.Errno
		events  int // that wake it
		want    syscall.Errno
		joined  bool
	}{
		{"at once", []syscall.Errno{0}, 0, 0, false},
		{"an error at once", []syscall.Errno{syscall.EMFILE}, 0, syscall.EMFILE, false},
		{"after a wait", []syscall.Errno{syscall.EAGAIN, 0}, 0, 0, true},
		{"an error after a wait", []syscall.Errno{syscall.EAGAIN, syscall.EAGAIN, syscall.ENOBUFS}, 1, syscall.ENOBUFS, true},
		{"woken in vain", []syscall.Errno{syscall.EAGAIN, syscall.EAGAIN, syscall.EAGAIN, 0}, 2, 0, true},
	} {
		for _, blocking := range []bool{false, true} {
			t.Run(e.name, func(t *testing.T) {
				d, fd := pairOf(t, blocking)
				var events sync.WaitGroup
				stop := make(chan struct{})
				if e.events > 0 {
					// Bytes go on coming, each an event.
					events.Go(func() {
						for {
							select {
							case <-stop:
								return
							default:
								sys.Send(fd, []byte{1}, sys.DontWait)
							}
						}
					})
				}
				s := &script{answers: e.answers}
				tries := len(e.answers)
				errno, err := d.call(&d.read, s)
				close(stop)
				events.Wait()
				if errno != e.want || err != nil || s.tries != tries {
					t.Errorf("%v, %v after %d tries; want %v after %d", errno, err, s.tries, e.want, tries)
				}
				if joined := d.read.raw.Load() != nil; joined != e.joined {
					t.Errorf("joined the poller: %v, want %v", joined, e.joined)
				}
			})
		}
	}
}

// Somebody who shares the description may make it blocking before it joins.
func TestJoinTurnedBlocking(t *testing.T) {
	d, _ := pairOf(t, false)
	sys.SetNonblock(d.fd, false)
	if errno, err := d.call(&d.read, &script{answers: []syscall.Errno{syscall.EAGAIN, 0}}); errno != 0 || err != nil {
		t.Fatal(errno, err)
	}
	if d.polled || d.read.nested == nil {
		t.Error("it joined the poller as if it were nonblocking")
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if _, errno := sys.Nonblock(d.fd); errno != syscall.EBADF {
		t.Error("it is still open")
	}
}

func TestEnterAfterClose(t *testing.T) {
	d, _ := pairOf(t, false)
	if err := d.enter(); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- d.close() }()
	for !d.closed() {
		runtime.Gosched()
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := d.enter(); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	select {
	case <-closed:
		t.Error("Close did not wait for the call inside")
	default:
	}
	d.leave()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Whoever comes first of Detach and Close has the descriptor; it is never
// left to nobody.
func TestDetachOrClose(t *testing.T) {
	for range 3000 {
		d := new(descriptor)
		number, peer, errno := sys.Socketpair(int(Unix), int(Stream), 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		d.init(number, false)
		var contended sync.WaitGroup
		stop := make(chan struct{})
		contended.Go(func() { // so that the two meet at every point
			for {
				select {
				case <-stop:
					return
				default:
					d.interrupt(&d.read, false)
				}
			}
		})
		var both sync.WaitGroup
		var fd int
		var detached, closed error
		both.Go(func() { fd, detached = d.detach() })
		both.Go(func() { closed = d.close() })
		both.Wait()
		close(stop)
		contended.Wait()
		sys.Close(peer)
		switch {
		case detached == nil && errors.Is(closed, net.ErrClosed):
			sys.Close(fd)
		case closed == nil && errors.Is(detached, net.ErrClosed):
			if _, errno := sys.Nonblock(number); errno != syscall.EBADF {
				t.Fatalf("descriptor %d is open after Close: %v", number, errno)
			}
		default:
			t.Fatalf("detach: %v, close: %v", detached, closed)
		}
	}
}
