package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"zocalo/internal/sys"
	"zocalo/process"
	"zocalo/socket"
)

// Handover says how a program gets the sockets that it is to accept from, or
// receive on, itself.
type Handover int

const (
	// Wait is inetd's "wait": the socket is the program's descriptors 0 and 1.
	// With several sockets, each has a program.
	Wait Handover = iota
	// Activate is systemd's socket activation: all sockets are the descriptors
	// from 3 on of one program, which LISTEN_FDS, LISTEN_PID and
	// LISTEN_FDNAMES (the sockets' kinds) tell of it, see sd_listen_fds(3).
	// Descriptor 0 is /dev/null, 1 goes where standard error does.
	Activate
)

// ServeListener runs the program each time that something waits on one of the
// sockets, a connection or a datagram, while no such program runs. Then it is
// the program's to take: what ServeListener does not see, as peers, it cannot
// bound, allow or tell the program. A program that leaves what waits is started
// again after a pause, from 5 ms up to 1 s. So it is tried again where descriptors,
// processes or memory are out, which is logged.
//
// After the end of ctx no program is started any more, and ServeListener
// returns nil when those that run have ended; the end of handling ends them as
// Timeout does. It closes the sockets in every case. The error is of a socket,
// or of starting the program.
func (p *Program) ServeListener(ctx, handling context.Context, how Handover, sockets ...*socket.Socket) error {
	defer func() {
		for _, s := range sockets {
			s.Close()
		}
	}()
	for _, s := range sockets {
		if _, ok := socket.As[socket.Descriptor](s); !ok {
			return &socket.UnsupportedError{Feature: "handing a " + s.Kind().String() + " socket over", Needs: "a kind with a descriptor"}
		}
	}
	if p.Terminal || p.Stderr == Socket && how == Activate {
		return errors.New("serve: a listening socket cannot be a terminal or take standard error")
	}
	p.init()
	if how == Activate {
		return p.handOver(ctx, handling, how, sockets)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(sockets))
	var wg sync.WaitGroup
	for i := range sockets {
		wg.Go(func() {
			if errs[i] = p.handOver(ctx, handling, how, sockets[i:i+1]); errs[i] != nil {
				stop()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// The pauses before a program that left what waits is started again.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// handOver runs programs, one after the other, until ctx ends.
func (p *Program) handOver(ctx, handling context.Context, how Handover, sockets []*socket.Socket) error {
	var pause time.Duration
	for {
		if err := awaitAny(ctx, sockets); err != nil || ctx.Err() != nil {
			return ignoreEnd(ctx, err)
		}
		if !anyReady(sockets) {
			continue // another program that shares the socket was faster
		}
		began := time.Now()
		err := p.runOn(ctx, handling, how, sockets)
		switch {
		case process.Short(err):
			// What waits goes on waiting, and there may be a program for it later.
			if pause == 0 {
				p.log().Error("what waits has no program yet", "listener", sockets[0].Name(), "error", err)
			}
		case err != nil:
			return ignoreEnd(ctx, err)
		case time.Since(began) >= lastPause || !anyReady(sockets):
			pause = 0
			continue
		}
		pause = min(max(2*pause, firstPause), lastPause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// runOn runs the program once on the sockets.
func (p *Program) runOn(ctx, handling context.Context, how Handover, sockets []*socket.Socket) error {
	release, err := p.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	r := &run{Program: p, ctx: handling, release: release, log: p.log().With("listener", sockets[0].Name()), command: p.Command}
	r.command.Env = p.env
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	c := &r.command
	if how == Wait {
		c.Stdin, c.Stdout = files[0], files[0]
		if p.Stderr == Socket {
			c.Stderr = files[0]
		}
	} else {
		c.Files, c.FileNames = files, []string{}
		for _, s := range sockets {
			c.FileNames = append(c.FileNames, s.Kind().String())
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	over, stop := r.over()
	defer stop()
	r.finish(r.wait(over, nil))
	return nil
}

// awaitAny waits until something waits on one of the sockets.
func awaitAny(ctx context.Context, sockets []*socket.Socket) error {
	ctx, found := context.WithCancel(ctx)
	defer found()
	errs := make([]error, len(sockets))
	var wg sync.WaitGroup
	for i, s := range sockets {
		wg.Go(func() {
			defer found()
			errs[i] = await(ctx, s)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// await waits until something waits on a socket, or ctx ends.
func await(ctx context.Context, s *socket.Socket) error {
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.SetReadDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	defer func() {
		if !stop() {
			<-interrupted
		}
	}()
	raw, err := s.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool { return sys.Ready(int(fd), sys.Readable) })
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("listener %v: %w", s.Name(), err)
	}
	return nil
}

func anyReady(sockets []*socket.Socket) bool {
	ready := false
	for _, s := range sockets {
		if raw, err := s.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { ready = ready || sys.Ready(int(fd), sys.Readable) })
		}
	}
	return ready
}
