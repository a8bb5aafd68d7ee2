package sockstat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// closingGroups are the multicast groups of sock_diag (enum sknetlink_groups, include/uapi/linux/sock_diag.h).
var closingGroups = map[Kind][]uint32{TCP: {1, 3}, UDP: {2, 4}}

// closingsBuffer is how much the kernel may tell before it is read: some ten thousand sockets.
const closingsBuffer = 16 << 20

const inetProtocol = 10 // INET_DIAG_PROTOCOL

type closings struct {
	ctx   context.Context
	l     *lister // which completes sockets and filters them
	heard *Socket
	rest  []byte // of the messages of one read
}

func (c *closings) open(ctx context.Context, q Query) (err error) {
	c.ctx = ctx
	q.Details &= TCPInfos | Users
	c.l = &lister{q: &q, users: make(map[uint32]string), netns: q.Netns, states: ^uint32(0), emit: func(s *Socket) bool { c.heard = s; return true }}
	c.l.interfaces.fd = -1
	if c.l.ns, err = openNetns(q.Netns); err != nil {
		return err
	}
	c.l.interfaces.ns = c.l.ns
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.l.diag, err = diagIn(ctx, q.Netns); err != nil {
		return err
	}
	// Without the right to more, what the system allows is taken.
	_ = c.l.diag.raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, closingsBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, closingsBuffer)
		}
	})
	some := false
	for _, kind := range [...]Kind{TCP, UDP} {
		if q.kindMask()&(1<<kind) == 0 {
			continue
		}
		for _, group := range closingGroups[kind] {
			if err := c.l.diag.conn.JoinGroup(group); err != nil {
				return fmt.Errorf("hear of closed %s sockets: %w", kind, err)
			}
		}
		some = true
	}
	if !some {
		return errors.New("the kernel reports only closed TCP and UDP sockets: ask for these")
	}
	return nil
}

func (c *closings) close() { c.l.leave() }

// next finds the next message, or waits for more of them.
func (c *closings) next() (*Socket, error) {
	d := c.l.diag
	for {
		for len(c.rest) > 0 {
			body, rest, err := nextMessage(c.rest)
			c.rest = rest
			if err == nil && body != nil {
				err = c.take(body)
			}
			if err != nil {
				return nil, err
			}
			if s := c.heard; s != nil {
				c.heard = nil
				return s, nil
			}
		}
		err := d.raw.Read(d.read)
		if err == nil {
			err = d.err
		}
		switch {
		case c.ctx.Err() != nil:
			return nil, c.ctx.Err()
		case errors.Is(err, unix.ENOBUFS):
			return nil, ErrOverrun
		case err != nil:
			return nil, fmt.Errorf("read from sock_diag: %w", err)
		}
		c.rest = d.buf[:d.n]
	}
}

// nextMessage takes one netlink message off b. The body is nil of what is no socket.
func nextMessage(b []byte) (body, rest []byte, err error) {
	const header = 16
	if len(b) < header {
		return nil, nil, errCut
	}
	size := int(binary.NativeEndian.Uint32(b))
	if size < header || size > len(b) {
		return nil, nil, errCut
	}
	if binary.NativeEndian.Uint16(b[4:]) == unix.SOCK_DIAG_BY_FAMILY {
		body = b[header:size]
	}
	return body, b[min(align4(size), len(b)):], nil
}

// take completes a socket that was closed, and keeps it if it is wanted.
func (c *closings) take(body []byte) error {
	if len(body) < inetMessage {
		return errCut
	}
	var protocol uint8
	if err := attributes(body[inetMessage:], func(a attribute) {
		if a.kind == inetProtocol {
			protocol = a.u8()
		}
	}); err != nil {
		return err
	}
	kind := slices.Index([]uint8{TCP: unix.IPPROTO_TCP, UDP: unix.IPPROTO_UDP, MPTCP: 0xff}, protocol)
	if kind < 0 {
		return nil
	}
	s := &c.l.socket
	if err := c.l.parser.inet(body, Kind(kind), s); err != nil {
		return err
	}
	s.State = Unconnected
	s.RecvQ, s.SendQ = 0, 0 // what was in them is gone, which the kernel counts below nothing
	return c.l.finish()
}
