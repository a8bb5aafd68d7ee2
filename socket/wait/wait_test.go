package wait_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket"
	"zocalo/socket/sockettest"
	"zocalo/socket/wait"
)

// limits returns those of a call, and what closes its endpoint.
func limits(ctx context.Context) (l *wait.Limits, closing func()) {
	closed := make(chan struct{})
	d := &wait.Deadline{}
	d.Init()
	return &wait.Limits{Ctx: ctx, Closed: closed, Deadline: d}, func() { close(closed) }
}

// Every way to wait is ended by every limit, and a limit that has passed ends
// a call before it begins.
func TestLimitsEndWaiting(t *testing.T) {
	ways := map[string]func(*wait.Limits) error{
		"await": func(l *wait.Limits) error {
			return l.Await(wait.NewBell(), "read", func() (bool, error) { return false, nil })
		},
		"receive": func(l *wait.Limits) error { _, err := wait.Receive(l, make(chan int)); return err },
		"turn": func(l *wait.Limits) error {
			var taken wait.Turn
			taken.TryTake()
			return taken.Take(l)
		},
	}
	for name, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			for _, c := range []struct {
				end  func(l *wait.Limits, closing func())
				want error
			}{
				{func(l *wait.Limits, _ func()) { l.Deadline.Set(time.Now().Add(time.Hour)) }, os.ErrDeadlineExceeded},
				{func(l *wait.Limits, _ func()) { l.Deadline.Set(time.Now()) }, os.ErrDeadlineExceeded},
				{func(_ *wait.Limits, closing func()) { closing() }, net.ErrClosed},
				{func(*wait.Limits, func()) { cancel() }, context.Canceled},
			} {
				l, closing := limits(ctx)
				result := make(chan error)
				go func() { result <- way(l) }()
				synctest.Wait()
				c.end(l, closing)
				if err := <-result; !errors.Is(err, c.want) {
					t.Errorf("%s ended with %v, want %v", name, err, c.want)
				}
				if err := way(l); !errors.Is(err, c.want) || !errors.Is(l.Over(), c.want) {
					t.Errorf("%s began all the same: %v, and Over is %v", name, err, l.Over())
				}
			}
		})
	}
}

// A deadline that is moved or taken away while somebody waits counts as it
// then is.
func TestDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := limits(t.Context())
		values := make(chan int)
		start := time.Now()
		l.Deadline.Set(start.Add(time.Minute))
		go func() {
			time.Sleep(30 * time.Second)
			l.Deadline.Set(start.Add(time.Hour))
		}()
		if _, err := wait.Receive(l, values); err != os.ErrDeadlineExceeded || time.Since(start) != time.Hour {
			t.Errorf("%v after %v, want the deadline after an hour", err, time.Since(start))
		}
		l.Deadline.Set(time.Time{})
		go func() { values <- 7 }()
		if v, err := wait.Receive(l, values); v != 7 || err != nil {
			t.Errorf("%d, %v after the deadline was taken away", v, err)
		}
	})
}

// A ring is never lost: one that came before the wait ends it, and one that a
// call took in vain goes to the next.
func TestBell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := wait.NewBell()
		state := 0
		l, _ := limits(t.Context())
		b.Ring()
		b.Ring()
		if err := l.Await(b, "read", func() (bool, error) { state++; return state == 2, nil }); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		impatient, _ := limits(ctx)
		done := make(chan error, 1)
		go func() { done <- impatient.Await(b, "read", func() (bool, error) { return false, nil }) }()
		synctest.Wait()
		cancel()
		<-done
		if len(b) != 1 {
			t.Error("the ring went with the call that was interrupted")
		}
	})
}

// An error ends the wait, whether or not it is said to be ready.
func TestAwaitFails(t *testing.T) {
	l, _ := limits(t.Context())
	for _, ready := range []bool{true, false} {
		err := l.Await(wait.NewBell(), "write", func() (bool, error) { return ready, syscall.EPIPE })
		var call *os.SyscallError
		if !errors.As(err, &call) || call.Syscall != "write" || call.Err != syscall.EPIPE {
			t.Errorf("ready %t: %v, want EPIPE of write", ready, err)
		}
	}
}

// The family of the example does all that a kind of messages must.
func TestExampleFamily(t *testing.T) {
	i := 0
	sockettest.TestMessages(t, func() (a, b *socket.Socket, stop func(), err error) {
		i++
		bound := func(name string) (*socket.Socket, socket.Name) {
			s, err := socket.New(Domain, socket.Datagram, 0)
			if err != nil {
				t.Fatal(err)
			}
			n, err := socket.MakeName(Domain, fmt.Append(nil, name, i))
			if err == nil {
				err = s.Bind(n)
			}
			if err != nil {
				t.Fatal(err)
			}
			return s, n
		}
		a, nameA := bound("a")
		b, nameB := bound("b")
		err = errors.Join(a.Connect(t.Context(), nameB), b.Connect(t.Context(), nameA))
		return a, b, func() { a.Close(); b.Close() }, err
	})
}
