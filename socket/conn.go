package socket

import (
	"context"
	"io"
	"net"
	"syscall"
	"time"
)

var _ net.Conn = (*Socket)(nil)

// LocalAddr returns Name as package net would have it.
func (s *Socket) LocalAddr() net.Addr { return s.Name().NetAddr(s.kind) }

// RemoteAddr returns Peer as package net would have it: nil for a listener and a
// datagram socket without a peer.
func (s *Socket) RemoteAddr() net.Addr {
	n := s.Peer()
	if n.IsZero() && s.kind.Domain != Unspecified {
		if c, ok := Beneath[interface{ connected() bool }](s.endpoint); ok && !c.connected() {
			return nil
		}
	}
	return n.NetAddr(s.kind)
}

// CloseRead is Shutdown(Read).
func (s *Socket) CloseRead() error { return s.Shutdown(ShutdownRead) }

// CloseWrite is Shutdown(Write).
func (s *Socket) CloseWrite() error { return s.Shutdown(ShutdownWrite) }

// onlyWriter and onlyReader hide ReadFrom and WriteTo from io.Copy, which
// would call them again.
type onlyWriter struct{ io.Writer }

type onlyReader struct{ io.Reader }

// ReadFrom writes to the socket what it reads from r until its end, without
// the bytes passing through the program where the system can: splice(2) from
// another stream socket or a pipe, sendfile(2) from a file, of package net and
// package os too. It implements io.ReaderFrom. Over a kind with message
// boundaries, each read becomes one message.
func (s *Socket) ReadFrom(r io.Reader) (int64, error) {
	if c, ok := As[Copier](s.endpoint); ok && s.trace == nil {
		if n, handled, err := c.CopyFrom(r); handled {
			return n, s.failed("readfrom", err)
		}
	}
	return io.Copy(onlyWriter{s}, onlyReader{r})
}

// WriteTo writes to w what it reads from the socket until its end, as
// ReadFrom does. It implements io.WriterTo.
func (s *Socket) WriteTo(w io.Writer) (int64, error) {
	if c, ok := As[Copier](s.endpoint); ok && s.trace == nil {
		if n, handled, err := c.CopyTo(w); handled {
			return n, s.failed("writeto", err)
		}
	}
	return io.Copy(onlyWriter{w}, onlyReader{s})
}

// Listener returns the passive socket as a net.Listener, whose connections
// are *Socket. Closing it closes the socket. As a *net.TCPListener it also has
// SetDeadline, for Accept, and SyscallConn.
func (s *Socket) Listener() net.Listener {
	s.Name() // so that Addr knows it after Close, too
	return &listener{s}
}

type listener struct{ s *Socket }

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.s.Accept(context.Background())
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (l *listener) Close() error { return l.s.Close() }

func (l *listener) Addr() net.Addr { return l.s.LocalAddr() }

func (l *listener) SetDeadline(t time.Time) error { return l.s.SetReadDeadline(t) }

func (l *listener) SyscallConn() (syscall.RawConn, error) { return l.s.SyscallConn() }
