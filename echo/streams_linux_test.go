package echo_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/echo"
	"zocalo/server"
	"zocalo/socket"
)

// echoStreams serves until the test ends, and returns what OnConnect and OnEnd
// are told.
func echoStreams(t *testing.T, s *server.Server, kinds ...socket.Kind) (names []socket.Name, told chan string, stop func() error) {
	t.Helper()
	var listeners []*socket.Socket
	for _, k := range kinds {
		l := listen(t, k)
		listeners = append(listeners, l)
		names = append(names, l.Name())
	}
	told = make(chan string, 100)
	tell := func(what string) {
		select {
		case told <- what:
		default: // of more connections than any test asks about
		}
	}
	o := echo.StreamOptions{
		Loops:     2,
		OnConnect: func(peer string) { tell("connected") },
		OnEnd: func(peer string, err error) {
			if err != nil {
				tell(err.Error())
				return
			}
			tell("ended")
		},
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- echo.Streams(ctx, s, o, listeners...) }()
	stop = func() error {
		cancel()
		err := <-over
		over <- err
		return err
	}
	t.Cleanup(func() {
		s.Abort()
		stop()
	})
	return names, told, stop
}

func says(t *testing.T, told chan string, words string) {
	t.Helper()
	select {
	case got := <-told:
		if !strings.Contains(got, words) {
			t.Errorf("told %q, want %q", got, words)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("not told %q", words)
	}
}

func TestEchoStreams(t *testing.T) {
	kinds := []socket.Kind{tcp, unix}
	names, told, stop := echoStreams(t, &server.Server{Drain: 30 * time.Second}, kinds...)
	for i, k := range kinds {
		c := dial(t, k, names[i])
		says(t, told, "connected")
		exchange(t, c, "hola")
		if err := c.Shutdown(socket.ShutdownWrite); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("read %d, %v, want the end", n, err)
		}
		says(t, told, "ended")
	}
	c := dial(t, tcp, names[0])
	says(t, told, "connected")
	exchange(t, c, "hola")
	c.Abort()
	says(t, told, "connection reset by peer")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestEchoStreamsTurnsAway(t *testing.T) {
	deny, err := server.ParseList([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	names, _, _ := echoStreams(t, &server.Server{Deny: deny}, tcp)
	c := open(t, tcp)
	if err = c.Connect(t.Context(), names[0]); err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("error %v, want a reset", err)
	}
}

// When the context ends nothing is accepted, what is open goes on, and Abort
// ends that.
func TestEchoStreamsDrains(t *testing.T) {
	s := &server.Server{Drain: -1}
	names, told, stop := echoStreams(t, s, tcp)
	c := dial(t, tcp, names[0])
	says(t, told, "connected")
	over := make(chan error)
	go func() { over <- stop() }()
	for refused := false; !refused; {
		other := open(t, tcp)
		err := other.Connect(t.Context(), names[0])
		refused = errors.Is(err, syscall.ECONNREFUSED)
		other.Close()
	}
	exchange(t, c, "still here")
	s.Abort()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("error %v, want a reset", err)
	}
	if err := <-over; err != nil {
		t.Fatal(err)
	}
}

// A listener that fails for good begins the end, and what is open has the time to drain.
func TestEchoStreamsListenerFails(t *testing.T) {
	l := listen(t, tcp)
	over := make(chan error, 1)
	go func() {
		over <- echo.Streams(context.Background(), &server.Server{Drain: 1}, echo.StreamOptions{}, l)
	}()
	c := dial(t, tcp, l.Name())
	exchange(t, c, "hola")
	raw, err := l.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended: %v", err)
	}
	if err := <-over; !errors.Is(err, syscall.EINVAL) {
		t.Errorf("serving ended: %v", err)
	}
}
