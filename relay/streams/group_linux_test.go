package streams

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/poll"
	"zocalo/internal/sys"
)

// nobody is a Service that leaves what is accepted alone.
type nobody struct{}

func (nobody) Accepted(*Conn, int, *sys.Sockaddr)         {}
func (nobody) ConnectFailed(*Conn, string, syscall.Errno) {}
func (nobody) Ended(*Conn, Ending)                        {}
func (nobody) Paused(int, syscall.Errno)                  {}

// A connection that another loop hands over while this one is cut off is closed.
func TestHandedOverAtTheEnd(t *testing.T) {
	g := &Group{Service: nobody{}}
	if err := g.Listen(nil); err != nil {
		t.Fatal(err)
	}
	a, b, errno := sys.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer sys.Close(b)
	w := g.workers()[0]
	w.Post(func() {
		w.reset()
		w.drain() // which ends it, since there is nothing
		g.open.Add(1)
		w.count.Add(1)
		w.Post(func() { w.add(a, &listener{Listening: Listening{Kind: Unix}}, nil) })
	})
	w.Run(context.Background())
	if n := g.Open(); n != 0 {
		t.Errorf("%d are open", n)
		sys.Close(a)
	}
	var one [1]byte
	if n, errno := sys.Recv(b, one[:], 0); n != 0 || errno != 0 {
		t.Errorf("recv = %d, %v, want the end", n, errno)
	}
}

// A place that one loop takes and gives back, since nobody was there to accept,
// wakes one that found no place meanwhile.
func TestPlaceGivenBack(t *testing.T) {
	fd, errno := sys.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer sys.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	g := &Group{Service: nobody{}, Limits: Limits{MaxConns: 1}}
	if err := g.Listen([]Listening{{FD: fd, Kind: TCP}}, nil); err != nil {
		t.Fatal(err)
	}
	w, other := g.workers()[0], g.workers()[1]
	defer other.Close()
	l := w.listeners[0]
	g.open.Add(1) // by the other loop, which is about to accept
	l.Ready(poll.Readable)
	if !l.paused {
		t.Fatal("it goes on beyond the bound")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	defer running.Wait()
	defer cancel()
	g.giveBack()
	paused := true
	for end := time.Now().Add(10 * time.Second); paused && time.Now().Before(end); {
		answer := make(chan bool)
		w.Post(func() { answer <- l.paused })
		paused = <-answer
	}
	if paused {
		t.Error("it accepts no more")
	}
}
