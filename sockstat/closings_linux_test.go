package sockstat

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// None of a thousand short connections is missed, though no listing would have them.
func TestClosings(t *testing.T) {
	ns := newNetns(t)
	const many = 1000
	l := ns.listener(unix.AF_INET, loopback4, 5)
	f, err := ParseFilter([]string{"lport=" + strconv.Itoa(port4(l))})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c, err := WatchClosings(ctx, Query{Kinds: []Kind{TCP}, Filter: f, Netns: ns.path(), Details: TCPInfos})
	must(t, err)
	defer c.Close()
	sa, err := unix.Getsockname(l)
	must(t, err)
	failed := make(chan error, 1)
	go func() {
		err := func() error {
			for range many {
				var fd int
				done := make(chan error)
				ns.jobs <- func() {
					var err error
					fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
					done <- err
				}
				if err := <-done; err != nil {
					return err
				}
				// Reset, so that they need not wait for one another in TIME_WAIT.
				err := errors.Join(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}), unix.Connect(fd, sa))
				server, _, aerr := unix.Accept4(l, unix.SOCK_CLOEXEC)
				if err = errors.Join(err, aerr); err != nil {
					return err
				}
				_, err = unix.Write(fd, []byte("hello"))
				unix.Close(fd)
				unix.Close(server)
				if err != nil {
					return err
				}
			}
			return nil
		}()
		if failed <- err; err != nil {
			stop()
		}
	}()
	seen := make(map[uint64]bool)
	for len(seen) < many {
		s, err := c.Next()
		if err != nil {
			t.Fatal(err, <-failed)
		}
		if s.Kind != TCP || s.State != Unconnected || int(s.Local.Addr.Port()) != port4(l) || s.TCPInfo == nil || s.TCPInfo.BytesReceived != 5 {
			t.Fatalf("it heard of %+v %+v", s, s.TCPInfo)
		}
		seen[s.Cookie] = true
	}
	must(t, <-failed)
	stop()
	if s, err := c.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("in the end: %v %v", s, err)
	}
}

// What does not fit is said, and it goes on.
func TestClosingsOverrun(t *testing.T) {
	ns := newNetns(t)
	c, err := WatchClosings(t.Context(), Query{Kinds: []Kind{UDP}, Netns: ns.path()})
	must(t, err)
	defer c.Close()
	must(t, c.l.diag.raw.Control(func(fd uintptr) {
		must(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1))
	}))
	open := func() (fd int) {
		ns.do(func() (err error) {
			fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			return err
		})
		must(t, unix.Bind(fd, loopback4))
		return fd
	}
	background(t, func() error { unix.Close(open()); return nil })
	overrun := func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(p, 20)
		return err == nil && p[0].Revents&unix.POLLERR != 0
	}
	for over := false; !over; {
		must(t, c.l.diag.raw.Control(func(fd uintptr) { over = overrun(fd) }))
		must(t, t.Context().Err())
	}
	for {
		if _, err := c.Next(); errors.Is(err, ErrOverrun) {
			break
		} else {
			must(t, err)
		}
	}
	// More than were waiting then.
	for heard := 0; heard < 100; {
		_, err := c.Next()
		if err == nil {
			heard++
		} else if !errors.Is(err, ErrOverrun) {
			t.Fatal(err)
		}
	}
}

func TestClosingsRefuses(t *testing.T) {
	f, err := ParseFilter([]string{"process=x"})
	must(t, err)
	for _, q := range []Query{{Filter: f}, {Kinds: []Kind{Unix}}, {Netns: "no-such"}} {
		if c, err := WatchClosings(t.Context(), q); err == nil {
			c.Close()
			t.Errorf("%+v was taken", q)
		}
	}
}
