package server_test

import (
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zocalo/server"
	"zocalo/socket"
)

// The session that was idle longest makes room for one more.
func TestSessionsMax(t *testing.T) {
	s := bound(t, udp)
	serveSessions(t, &server.Sessions{Max: 2, Handler: echoSession}, s)
	a, b, c := client(t, udp, s.Name()), client(t, udp, s.Name()), client(t, udp, s.Name())
	ask(t, a, "x", "1 x")
	ask(t, b, "x", "1 x")
	ask(t, a, "x", "2 x")
	ask(t, c, "x", "1 x") // instead of b
	ask(t, a, "x", "3 x")
	ask(t, b, "x", "1 x") // instead of c
	ask(t, a, "x", "4 x")
	ask(t, c, "x", "1 x")
}

// A session that is idle holds no memory for messages, whatever came in a burst.
func TestSessionsIdleMemory(t *testing.T) {
	const most, messages, size = 200, 12, 4000
	s := bound(t, unixDatagram)
	var buffers sync.Pool
	begin := make(chan struct{})
	serveSessions(t, &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		<-begin // all waits by then
		w, _ := socket.As[socket.ReadWaiter](c)
		for n := 0; w.WaitRead() == nil; n++ {
			b, ok := buffers.Get().(*[size]byte)
			if !ok {
				b = new([size]byte)
			}
			_, err := c.Read(b[:])
			if buffers.Put(b); err != nil {
				return
			}
			if n == messages-1 {
				c.Write(nil)
			}
		}
	}}, s)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	clients := make([]*socket.Socket, most)
	for i := range clients {
		clients[i] = client(t, unixDatagram, s.Name())
	}
	before := heap()
	for _, c := range clients {
		for range messages {
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(begin)
	for _, c := range clients {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if each := (int64(heap()) - int64(before)) / most; each > 8<<10 {
		t.Errorf("an idle session holds %d bytes", each)
	}
}

// What came for a session whose handler is done is counted, as long as no other session
// has it.
func TestSessionsUnread(t *testing.T) {
	s := bound(t, udp)
	var done atomic.Bool
	sessions := &server.Sessions{Handler: func(_ context.Context, c *socket.Socket) {
		b := make([]byte, 100)
		if _, err := c.Read(b); err != nil {
			t.Error(err)
		}
		c.Write(nil) // to be sent more
		if w, ok := socket.As[socket.ReadWaiter](c); !ok || w.WaitRead() != nil {
			t.Error("nothing more came")
		}
		done.Store(true)
	}}
	serveSessions(t, sessions, s)
	c := client(t, udp, s.Name())
	io.WriteString(c, "read")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "unread")
	for end := time.Now().Add(30 * time.Second); sessions.Dropped() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is counted; the handler is done: %v", done.Load())
		}
	}
	if n := sessions.Dropped(); n != 1 {
		t.Errorf("%d messages were counted", n)
	}
}

// What a handler does not read in time is dropped and counted, and so are new
// peers while too many handlers do not return.
func TestSessionsBounds(t *testing.T) {
	s := bound(t, udp)
	release := make(chan struct{})
	began := make(chan struct{}, 10)
	sessions := &server.Sessions{Max: 1, Queue: 20, MaxMessage: 50, Handler: func(_ context.Context, c *socket.Socket) {
		began <- struct{}{}
		<-release
		echoSession(context.Background(), c)
	}}
	stop := serveSessions(t, sessions, s)
	a := client(t, udp, s.Name())
	dropped := func(want int64) {
		t.Helper()
		for sessions.Dropped() < want {
			time.Sleep(time.Millisecond)
		}
		if n := sessions.Dropped(); n != want {
			t.Errorf("%d messages were dropped, want %d", n, want)
		}
	}
	io.WriteString(a, "0123456789") // 14 bytes of the queue
	<-began
	io.WriteString(a, "0123456789")
	dropped(1)
	a.Write(make([]byte, 51))
	dropped(2)
	b := client(t, udp, s.Name())
	io.WriteString(b, "x") // takes a's place, whose handler goes on
	<-began
	io.WriteString(a, "x")
	dropped(3)
	close(release)
	expect(t, a, "1 0123456789")
	expect(t, b, "1 x")
	if err := stop(); err != nil {
		t.Error(err)
	}
}
