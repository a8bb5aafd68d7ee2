package process

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
)

// pipes is the near end of two pipes, which are a program's standard input and
// output. A program can open a pipe by name, as /dev/stdout, and no socket.
//
// It ends as a socket pair does: once the program has both its ends closed, so
// that a command whose output goes elsewhere does not look like one that is over.
type pipes struct {
	in, out *socket.Socket // what the program writes, and reads
	rest    syscall.RawConn
}

// kindOfPipes is that of the pair of sockets in whose place they are.
var kindOfPipes = socket.Kind{Domain: socket.Unix, Type: socket.Stream}

// openPipes makes both pipes. stdin and stdout are the caller's to close.
func openPipes() (near *socket.Socket, stdin, stdout *os.File, err error) {
	p := &pipes{}
	stdin, p.out, err = halfPipe(func(r, w *os.File) (theirs, ours *os.File) { return r, w })
	if err != nil {
		return nil, nil, nil, err
	}
	stdout, p.in, err = halfPipe(func(r, w *os.File) (theirs, ours *os.File) { return w, r })
	if err == nil {
		if p.rest, err = p.out.SyscallConn(); err == nil {
			return socket.Wrap(p, kindOfPipes), stdin, stdout, nil
		}
		stdout.Close()
		p.in.Close()
	}
	stdin.Close()
	p.out.Close()
	return nil, nil, nil, err
}

// halfPipe makes a pipe, and a socket of the end of it that is ours.
func halfPipe(which func(r, w *os.File) (theirs, ours *os.File)) (*os.File, *socket.Socket, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	theirs, ours := which(r, w)
	defer ours.Close()
	s, err := socket.FromFile(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return theirs, s, nil
}

func (p *pipes) Read(b []byte) (int, error) {
	n, err := p.in.Unwrap().Read(b)
	if err != io.EOF {
		return n, err
	}
	// An error on what is written to is the end of that, whether asked for or, to
	// the runtime's poller, a reason to wait no longer.
	err = p.rest.Read(func(fd uintptr) bool { return sys.Ready(int(fd), 0) })
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, err
	}
	return 0, io.EOF
}

func (p *pipes) Write(b []byte) (int, error) { return p.out.Unwrap().Write(b) }

// WaitRead implements socket.ReadWaiter.
func (p *pipes) WaitRead() error { return p.in.WaitRead() }

// Shutdown closes the pipe of that direction.
func (p *pipes) Shutdown(how socket.ShutdownHow) error {
	var err error
	if how != socket.ShutdownRead {
		err = p.out.Close()
	}
	if how != socket.ShutdownWrite {
		err = errors.Join(err, p.in.Close())
	}
	return err
}

func (p *pipes) Close() error {
	err := p.in.Close()
	p.out.Close() // or Shutdown has
	return err
}

// ClosesWhole implements socket.WholeCloser.
func (p *pipes) ClosesWhole() {}

// Properties are those of the kind, but for urgent data, which pipes do not have.
func (p *pipes) Properties() socket.Properties {
	promised := kindOfPipes.Properties()
	promised.Urgent = 0
	return promised
}

func (p *pipes) SetReadDeadline(t time.Time) error {
	return errors.Join(p.in.SetReadDeadline(t), ignoreClosed(p.out.SetReadDeadline(t)))
}

func (p *pipes) SetWriteDeadline(t time.Time) error { return p.out.SetWriteDeadline(t) }
func (p *pipes) Name() socket.Name                  { return socket.Name{} }
func (p *pipes) Peer() socket.Name                  { return socket.Name{} }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
