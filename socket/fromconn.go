package socket

import (
	"net"
	"syscall"

	"zocalo/internal/sys"
)

// FromConn makes a socket of a connection of package net or of anybody else's, which
// it then owns. A connection of the kernel's, as a *net.TCPConn, becomes a socket with
// all that such have: options, messages, splice(2). Any other, as a *tls.Conn or one
// end of net.Pipe, becomes one that reads, writes and has deadlines, and can half-close
// where it has CloseWrite; it counts as a reliable stream. After an error c is still the
// caller's.
func FromConn(c net.Conn) (*Socket, error) {
	switch k := c.(type) {
	case *Socket:
		return k, nil
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.IPConn:
		return fromNet(c, k.(syscall.Conn))
	}
	e := &conn{Conn: c}
	e.name, _ = NameOf(c.LocalAddr()) // whose addresses have no name here goes without
	e.peer, _ = NameOf(c.RemoteAddr())
	return Wrap(e, Kind{Domain: e.name.Domain(), Type: Stream}), nil
}

// fromNet takes the descriptor out of a connection.
func fromNet(c net.Conn, k syscall.Conn) (*Socket, error) {
	raw, err := k.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, errno := -1, syscall.Errno(0)
	if err := raw.Control(func(n uintptr) { fd, errno = sys.Dup(int(n)) }); err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, sys.Error("dup", errno)
	}
	s, err := FromFD(fd)
	if err != nil {
		sys.Close(fd)
		return nil, err
	}
	c.Close() // which ends nothing: the duplicate has it
	return s, nil
}

// A conn is the endpoint of a connection that is no descriptor of ours.
type conn struct {
	net.Conn
	name, peer Name
}

func (c *conn) Name() Name { return c.name }

func (c *conn) Peer() Name { return c.peer }

// Properties implements [Promiser].
func (c *conn) Properties() Properties {
	return Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true}
}

// Shutdown implements [Shutdowner].
func (c *conn) Shutdown(how ShutdownHow) error {
	if how == ShutdownWrite {
		if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
			return w.CloseWrite()
		}
	}
	return &UnsupportedError{Feature: "ending one direction of a " + c.LocalAddr().Network() + " connection"}
}
