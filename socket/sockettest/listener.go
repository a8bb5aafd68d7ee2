package sockettest

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"zocalo/socket"
)

// A MakeListener makes a passive socket with a backlog of at least 8, and a
// func that connects to it. A dial returns before its connection is accepted.
// stop closes the passive socket, if it is not closed yet, and whatever was
// made along with it, but not what was dialled or accepted.
type MakeListener func() (l *socket.Socket, dial func(context.Context) (*socket.Socket, error), stop func(), err error)

// TestListener tests that a kind of socket accepts connections as package
// socket asks: those that wait, in their order, each once; and that Accept is
// ended by Close, by the deadline, and by its own context alone. [Patience] is
// the only trait that it takes notice of.
func TestListener(t *testing.T, mk MakeListener, about ...Trait) {
	know := traits{patience: 10 * time.Second}
	for _, trait := range about {
		trait(&know)
	}
	for _, e := range []struct {
		name string
		try  func(*reception)
	}{
		{"Queue", (*reception).queue},
		{"ConcurrentAccepts", (*reception).concurrentAccepts},
		{"Close", (*reception).closeWakes},
		{"Deadline", (*reception).deadline},
		{"Context", (*reception).context},
		{"Refusal", (*reception).refusal},
	} {
		t.Run(e.name, func(t *testing.T) {
			l, dial, stop, err := mk()
			if err != nil {
				t.Fatalf("no listener: %v", err)
			}
			defer stop()
			ctx, cancel := context.WithTimeout(t.Context(), know.patience)
			defer cancel()
			e.try(&reception{T: t, l: l, dialer: dial, ctx: ctx})
		})
	}
}

// A reception is one test of a listener.
type reception struct {
	*testing.T
	l      *socket.Socket
	dialer func(context.Context) (*socket.Socket, error)
	ctx    context.Context // ends when patience does
}

// dial connects; the test's end closes the socket.
func (t *reception) dial() *socket.Socket {
	t.Helper()
	s, err := t.dialer(t.ctx)
	if err != nil {
		t.Errorf("dial: %v", err)
		return nil
	}
	return t.keep(s)
}

func (t *reception) accept() *socket.Socket {
	t.Helper()
	s, err := t.l.Accept(t.ctx)
	if err != nil {
		t.Errorf("Accept: %v", err)
		return nil
	}
	return t.keep(s)
}

func (t *reception) keep(s *socket.Socket) *socket.Socket {
	t.Cleanup(func() { s.Close() })
	if d, ok := t.ctx.Deadline(); ok {
		s.SetDeadline(d)
	}
	return s
}

// talk tests that byte goes from one socket to the other.
func (t *reception) talk(from, to *socket.Socket, urgent byte) {
	t.Helper()
	b := []byte{urgent, 0}
	if n, err := from.Write(b[:1]); err != nil {
		t.Errorf("Write = %d, %v", n, err)
		return
	}
	if n, err := to.Read(b); n != 1 || err != nil || b[0] != urgent {
		t.Errorf("Read = %d, %v, byte %d, want 1, nil, byte %d", n, err, b[0], urgent)
	}
}

// queue tests that clients who connected before any Accept are served in
// order.
func (t *reception) queue() {
	var clients []*socket.Socket
	for range 5 {
		c := t.dial()
		if c == nil {
			return
		}
		clients = append(clients, c)
	}
	for i, c := range clients {
		s := t.accept()
		if s == nil {
			return
		}
		if s.Peer() != c.Name() || c.Peer() != s.Name() {
			t.Errorf("connection %d: from %q to %q there, and from %q to %q here", i, c.Name(), c.Peer(), s.Peer(), s.Name())
		}
		if s.Kind() != t.l.Kind() {
			t.Errorf("the accepted socket is of kind %v, and the passive one of %v", s.Kind(), t.l.Kind())
		}
		t.talk(c, s, byte(i))
		t.talk(s, c, byte(i)+100)
	}
}

// concurrentAccepts tests that each connection is accepted once.
func (t *reception) concurrentAccepts() {
	const many = 8
	var all sync.WaitGroup
	var mu sync.Mutex
	heard := map[byte]int{}
	for range many {
		all.Go(func() {
			s := t.accept()
			if s == nil {
				return
			}
			b := make([]byte, 2)
			if n, err := s.Read(b); n != 1 || err != nil {
				t.Errorf("Read = %d, %v", n, err)
			}
			mu.Lock()
			defer mu.Unlock()
			heard[b[0]]++
		})
	}
	for i := range many {
		all.Go(func() {
			if c := t.dial(); c != nil {
				c.Write([]byte{byte(i)})
			}
		})
	}
	all.Wait()
	for i := range byte(many) {
		if heard[i] != 1 {
			t.Errorf("client %d was heard %d times", i, heard[i])
		}
	}
}

// waiting starts some Accepts, and returns their errors as they come.
func (t *reception) waiting(n int, ctx context.Context) <-chan error {
	errs := make(chan error, n)
	for range n {
		go func() {
			s, err := t.l.Accept(ctx)
			if err == nil {
				t.keep(s)
			}
			errs <- err
		}()
	}
	runtime.Gosched()
	return errs
}

func (t *reception) closeWakes() {
	errs := t.waiting(3, t.ctx)
	settle()
	if err := t.l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 3 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept ended by Close: %v, want net.ErrClosed", err)
		}
	}
	if _, err := t.l.Accept(t.ctx); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
	if err := t.l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v, want net.ErrClosed", err)
	}
}

func (t *reception) deadline() {
	for _, d := range []struct {
		name          string
		before, after func()
	}{
		{"future", func() {}, func() { t.l.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) }},
		{"present", func() { t.l.SetReadDeadline(time.Time{}) }, func() { settle(); t.l.SetReadDeadline(longAgo) }},
		{"past", func() {}, func() {}},
	} {
		d.before()
		errs := t.waiting(2, t.ctx)
		d.after()
		for range 2 {
			if err := <-errs; !timedOut(err) {
				t.Errorf("Accept with a %s deadline: %v, want os.ErrDeadlineExceeded", d.name, err)
			}
		}
	}
	t.l.SetReadDeadline(time.Time{})
	c, s := t.dial(), t.accept()
	if c != nil && s != nil {
		t.talk(c, s, 1)
	}
}

// context tests that a context ends its own call and no other.
func (t *reception) context() {
	others := t.waiting(1, t.ctx)
	ctx, cancel := context.WithCancel(t.ctx)
	mine := t.waiting(2, ctx)
	settle()
	cancel()
	for range 2 {
		if err := <-mine; !errors.Is(err, context.Canceled) {
			t.Errorf("Accept whose context ended: %v, want context.Canceled", err)
		}
	}
	if _, err := t.l.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept with a context that is over: %v, want context.Canceled", err)
	}
	if t.dial() == nil {
		return
	}
	if err := <-others; err != nil {
		t.Errorf("Accept with another context: %v", err)
	}
}

// refusal tests that nobody is let in after Close.
func (t *reception) refusal() {
	if err := t.l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if s, err := t.dialer(t.ctx); err == nil {
		s.Close()
		t.Error("a client connected to a listener that is closed")
	}
}
