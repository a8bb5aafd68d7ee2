// Hand-over is a server that can be replaced while it serves: no connection is
// refused or reset meanwhile.
//
//	hand-over ADDRESS...
//
// It tells every client its process number. On SIGHUP it starts its program anew,
// which may have been replaced by a newer one, gives it the listening sockets, and
// ends when its own connections have. On SIGTERM it ends.
//
// Until the successor says that it is ready, connections wait in the queues of the
// system, which belong to the sockets and not to a process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"zocalo"
	"zocalo/socket"
	"zocalo/socket/option"
)

// readyVariable is the environment's word for the descriptor on which a successor
// says that it is ready.
const readyVariable = "HAND_OVER_READY"

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("hand-over: no address was given: write hand-over tcp:127.0.0.1:5346")
	}
	if err := run(os.Args[1:]); err != nil {
		log.Fatalf("hand-over: %v", err)
	}
}

func run(addresses []string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
	var s server
	for _, a := range addresses {
		l, err := zocalo.Listen(context.Background(), a)
		if err != nil {
			return err
		}
		defer l.Close()
		s.listeners = append(s.listeners, l)
		log.Printf("process %d listening on %s", os.Getpid(), l.Address())
	}
	if err := sayReady(); err != nil {
		return err
	}
	for {
		stop := s.accept()
		sig := <-signals
		stop() // before another process takes from the same queues
		if sig == syscall.SIGTERM {
			break
		}
		err := s.handOver()
		if err == nil {
			break
		}
		log.Printf("hand-over: the successor did not start, so process %d goes on: %v", os.Getpid(), err)
	}
	s.connections.Wait()
	return nil
}

type server struct {
	listeners   []*zocalo.Listener
	connections sync.WaitGroup
}

// accept serves what the listeners accept until stop is called, which returns once
// nothing is accepted any more.
func (s *server) accept() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	for _, l := range s.listeners {
		loops.Go(func() {
			for {
				c, err := l.Accept(ctx)
				switch {
				case ctx.Err() != nil && err != nil:
					return
				case err != nil:
					log.Printf("hand-over: %v", err)
					continue
				}
				s.connections.Go(func() { serve(c) })
			}
		})
	}
	return func() {
		cancel()
		loops.Wait()
	}
}

func serve(c *socket.Socket) {
	defer c.Close()
	fmt.Fprintln(c, os.Getpid())
	c.CloseWrite()
	io.Copy(io.Discard, c) // until the client has read it all
}

// handOver starts the successor with duplicates of the listening sockets, and returns
// once it is ready.
func (s *server) handOver() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	defer write.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	successor := exec.Command(program)
	successor.Stdout, successor.Stderr = os.Stdout, os.Stderr
	pass := func(f *os.File) (fd int) {
		successor.ExtraFiles = append(successor.ExtraFiles, f)
		return 2 + len(successor.ExtraFiles) // after the three standard ones
	}
	successor.Env = append(os.Environ(), fmt.Sprintf("%s=%d", readyVariable, pass(write)))
	for _, l := range s.listeners {
		for _, sock := range l.Sockets() {
			f, err := sock.File()
			if err != nil {
				return err
			}
			defer f.Close()
			successor.Args = append(successor.Args, fmt.Sprintf("fd:%d", pass(f)))
		}
	}
	if err := successor.Start(); err != nil {
		return err
	}
	write.Close() // so that the successor's end is the pipe's
	if _, err := io.ReadFull(read, make([]byte, 1)); err != nil {
		return errors.Join(errors.New("it ended before it was ready"), successor.Wait())
	}
	for _, l := range s.listeners {
		for _, sock := range l.Sockets() {
			// The file of a unix socket is the successor's from now on.
			if err := option.UnlinkClose.Set(sock, false); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
	}
	return nil
}

// sayReady tells a predecessor that this process listens.
func sayReady() error {
	var fd uintptr
	if _, err := fmt.Sscan(os.Getenv(readyVariable), &fd); err != nil {
		return nil // there is none
	}
	os.Unsetenv(readyVariable)
	f := os.NewFile(fd, "ready")
	defer f.Close()
	_, err := f.Write([]byte{1})
	return err
}
