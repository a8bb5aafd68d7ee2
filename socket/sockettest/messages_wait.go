package sockettest

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"zocalo/socket"
)

// A call is one of those that may wait.
type call struct {
	name string
	do   func(s *socket.Socket, b []byte) (int, error)
}

var (
	receiveCalls = []call{
		{"Read", (*socket.Socket).Read},
		{"Receive", func(s *socket.Socket, b []byte) (int, error) {
			m := socket.Message{Buffers: [][]byte{b}}
			err := s.Receive(&m)
			return m.N, err
		}},
	}
	sendCalls = []call{
		{"Write", (*socket.Socket).Write},
		{"Send", func(s *socket.Socket, b []byte) (int, error) {
			return s.Send(&socket.Message{Buffers: [][]byte{b}})
		}},
	}
)

var longAgo = time.Unix(1, 0)

// settle gives other goroutines the time to start waiting, which makes a test
// try what it means to try; its result does not depend on it.
func settle() {
	runtime.Gosched()
	time.Sleep(2 * time.Millisecond)
}

// pastDeadline tests that a deadline in the past ends calls before they do
// anything, and only those of its direction.
func (t *bout) pastDeadline() {
	t.a.SetReadDeadline(longAgo)
	t.write(t.b, []byte("waits"))
	for _, c := range receiveCalls {
		if n, err := c.do(t.a, make([]byte, 10)); n != 0 || !timedOut(err) {
			t.Errorf("%s after a deadline = %d, %v, want 0, os.ErrDeadlineExceeded", c.name, n, err)
		}
	}
	if t.write(t.a, []byte("passes")) {
		t.expect(t.b, []byte("passes"))
	}
	t.allow(t.a)
	t.expect(t.a, []byte("waits"))

	t.a.SetWriteDeadline(longAgo)
	for _, c := range sendCalls {
		if n, err := c.do(t.a, []byte("never")); n != 0 || !timedOut(err) {
			t.Errorf("%s after a deadline = %d, %v, want 0, os.ErrDeadlineExceeded", c.name, n, err)
		}
	}
	if t.write(t.b, []byte("comes")) {
		t.expect(t.a, []byte("comes"))
	}
	t.roundTrip()
}

// presentDeadline tests that a deadline moved to the past ends what waits.
func (t *bout) presentDeadline() {
	t.waitForDeadline(func() {
		settle()
		t.a.SetDeadline(longAgo)
	})
}

// futureDeadline tests that a deadline ends what waits when it comes.
func (t *bout) futureDeadline() {
	t.a.SetDeadline(time.Now().Add(20 * time.Millisecond))
	t.waitForDeadline(func() {})
}

// waitForDeadline makes every call wait on a, where the kind makes senders
// wait, until the deadline that set sees to. What was sent by then arrives,
// and nothing else.
func (t *bout) waitForDeadline(set func()) {
	var all sync.WaitGroup
	for _, c := range receiveCalls {
		all.Go(func() {
			if n, err := c.do(t.a, make([]byte, 10)); n != 0 || !timedOut(err) {
				t.Errorf("%s = %d, %v, want 0, os.ErrDeadlineExceeded", c.name, n, err)
			}
		})
	}
	message := content(1, 1000)
	var mu sync.Mutex
	sent := 0
	if t.a.Properties().Reliable {
		for _, c := range sendCalls {
			all.Go(func() {
				for {
					n, err := c.do(t.a, message)
					if err != nil {
						if n != 0 || !timedOut(err) {
							t.Errorf("%s = %d, %v, want 0, os.ErrDeadlineExceeded", c.name, n, err)
						}
						return
					}
					mu.Lock()
					sent++
					mu.Unlock()
				}
			})
		}
	}
	set()
	all.Wait()

	t.allow(t.a, t.b)
	all.Go(func() { t.write(t.a, []byte("last")) })
	defer all.Wait()
	for i := range sent {
		if !t.expect(t.b, message) {
			t.Errorf("of %d messages that Write or Send sent before the deadline, this was number %d", sent, i)
			return
		}
	}
	if !t.expect(t.b, []byte("last")) {
		t.Errorf("after %d messages; was one sent that Write or Send said a deadline had prevented?", sent)
		return
	}
	all.Wait()
	t.roundTrip()
}

// closeWakes tests that Close ends every call that waits, and that none
// begins after it.
func (t *bout) closeWakes() {
	calls := receiveCalls
	if t.a.Properties().Reliable {
		calls = append(calls[:len(calls):len(calls)], sendCalls...)
	}
	for _, c := range calls {
		for _, wait := range []func(){settle, func() {}} {
			t.Run(c.name, func(sub *testing.T) {
				pair := newBout(sub, t.mk, t.traits)
				defer pair.stop()
				var all sync.WaitGroup
				for range 2 {
					all.Go(func() {
						b := make([]byte, 1000)
						var err error
						for err == nil {
							_, err = c.do(pair.a, b)
						}
						if !errors.Is(err, net.ErrClosed) {
							sub.Errorf("%s ended by Close: %v, want net.ErrClosed", c.name, err)
						}
					})
				}
				wait()
				if err := pair.a.Close(); err != nil {
					sub.Errorf("Close: %v", err)
				}
				all.Wait()
				if n, err := c.do(pair.a, make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
					sub.Errorf("%s after Close = %d, %v, want 0, net.ErrClosed", c.name, n, err)
				}
				if err := pair.a.Close(); !errors.Is(err, net.ErrClosed) {
					sub.Errorf("a second Close: %v, want net.ErrClosed", err)
				}
			})
		}
	}
}

// racyRead tests, under the race detector, that nobody touches the buffer of
// a Read that a deadline ended.
func (t *bout) racyRead() {
	var sender sync.WaitGroup
	sender.Go(func() { // until b is closed
		b := content(1, 1000)
		for {
			if _, err := t.b.Write(b); err != nil {
				return
			}
		}
	})
	t.racy(receiveCalls, t.a.SetReadDeadline)
	t.b.Close()
	sender.Wait()
}

// racyWrite does the same for Write.
func (t *bout) racyWrite() {
	var receiver sync.WaitGroup
	receiver.Go(func() {
		b := make([]byte, 2000)
		for {
			if _, err := t.b.Read(b); err != nil {
				return
			}
		}
	})
	t.racy(sendCalls, t.a.SetWriteDeadline)
	t.b.Close()
	receiver.Wait()
}

// racy makes calls on a that a deadline ends again and again, and changes the
// buffer after each.
func (t *bout) racy(calls []call, set func(time.Time) error) {
	set(time.Now().Add(time.Millisecond))
	var all sync.WaitGroup
	for i := range 8 {
		c := calls[i%len(calls)]
		all.Go(func() {
			b := make([]byte, 1000)
			for range 50 {
				_, err := c.do(t.a, b)
				clear(b)
				if err == nil {
					continue
				}
				if !timedOut(err) {
					t.Errorf("%s: %v, want os.ErrDeadlineExceeded", c.name, err)
					return
				}
				set(time.Now().Add(time.Millisecond))
			}
		})
	}
	all.Wait()
}

// concurrentMethods tests that all methods may be called at once, and leave a
// pair that works.
func (t *bout) concurrentMethods() {
	marker := []byte("the last message of all")
	drained := make(chan bool, 1)
	go func() {
		b := make([]byte, 2000)
		for {
			n, err := t.b.Read(b)
			if err != nil || string(b[:n]) == string(marker) {
				drained <- err == nil
				return
			}
		}
	}()
	var all sync.WaitGroup
	for range 25 {
		for _, c := range append(receiveCalls[:2:2], sendCalls...) {
			all.Go(func() { c.do(t.a, make([]byte, 100)) })
		}
		all.Go(func() { t.a.SetDeadline(time.Now().Add(5 * time.Millisecond)) })
		all.Go(func() { t.a.SetReadDeadline(longAgo) })
		all.Go(func() { t.a.SetWriteDeadline(longAgo) })
		all.Go(func() { t.a.Name(); t.a.Peer(); t.a.LocalAddr(); t.a.RemoteAddr(); t.a.Properties() })
	}
	all.Wait() // the last deadline set is 5 ms away at most
	t.allow(t.a)
	t.write(t.a, marker)
	if !<-drained {
		t.Error("the last message did not arrive")
		return
	}
	t.roundTrip()
}
