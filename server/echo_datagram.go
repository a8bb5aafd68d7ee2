package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/socket"
)

// How long an answer may wait for a peer that does not read, as a unix
// datagram socket's may, while all others wait: at least the first, and the
// second where the peer did not take its last answer either.
const (
	answerPatience = 100 * time.Millisecond
	deafPatience   = time.Millisecond
)

// EchoDatagrams is [Echoer.EchoDatagrams] of the zero Echoer.
func EchoDatagrams(ctx context.Context, s *socket.Socket) error {
	return new(Echoer).EchoDatagrams(ctx, s)
}

// EchoDatagrams sends each message that a socket without a connection
// receives back to its sender, also an empty one, until ctx ends: it then
// returns nil, and leaves the socket good only for Close.
//
// What cannot be sent back is counted, reported once and no failure: a message
// that is too long, which is never cut; one whose sender has no name, as that
// of an unbound unix datagram socket; and one whose sender cannot be reached,
// such as one that is gone or for which the system has no buffers (ENOBUFS).
// For a sender that does not read its answers, EchoDatagrams waits 100 to 200
// ms once, then 1 ms an answer until it reads again, and drops what it does not
// take.
//
// It allocates nothing per message.
func (e *Echoer) EchoDatagrams(ctx context.Context, s *socket.Socket) error {
	stop := context.AfterFunc(ctx, func() { s.SetDeadline(past) })
	defer stop()
	memory, err := e.buffer()
	if err != nil {
		return err
	}
	var m socket.Message
	var again retry
	var answers answerTime
	for {
		m.SetData(memory)
		m.Flags = 0
		err := s.Receive(&m)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil, errors.Is(err, socket.ErrDescriptorsRefused):
			again.reset()
		case errors.Is(err, socket.ErrTruncated):
			e.refuse(err)
			continue
		case again.after(ctx, err, func(error) {}):
			// The system has told an error of an earlier answer, or lacks
			// memory.
			e.leave(socket.Name{}, err)
			continue
		default:
			return err
		}
		if NameTurnedAway(e.Allow, e.Deny, m.Peer, nil) != "" {
			continue
		}
		if unnamed(m.Peer) {
			e.leave(m.Peer, errUnnamed)
			continue
		}
		if err = answers.begin(s, m.Peer); err == nil {
			err = answer(s, &m)
			answers.end(m.Peer, err)
		}
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err == nil:
			e.sent(m.N)
			if e.OnMessage != nil {
				e.OnMessage(m.Peer, m.N)
			}
		case errors.Is(err, net.ErrClosed):
			return err
		case errors.Is(err, syscall.EMSGSIZE):
			e.refuse(err)
		default:
			e.leave(m.Peer, err)
		}
	}
}

var errUnnamed = errors.New("its sender has no name to answer to: bind the sending socket")

// answer sends the message just received back to its sender, without what
// accompanied it.
func answer(s *socket.Socket, m *socket.Message) error {
	m.SetData(m.Buffers[0][:m.N])
	m.Flags = 0
	m.Ancillary.Present = 0
	n, err := s.Send(m)
	if err == nil && n != m.N {
		return fmt.Errorf("%d of %d octets were sent", n, m.N)
	}
	return err
}

var unnamedUnix, _ = socket.UnixName("")

func unnamed(n socket.Name) bool { return n.IsZero() || n == unnamedUnix }

// answerTime keeps a socket's write deadline between one and two times
// answerPatience ahead, so that most answers need not set it. The peer that
// did not take its last answer gets deafPatience until it takes one.
type answerTime struct {
	until time.Time
	deaf  socket.Name
}

func (a *answerTime) begin(s *socket.Socket, peer socket.Name) error {
	now := time.Now()
	switch {
	case peer == a.deaf:
		a.until = time.Time{}
		return s.SetWriteDeadline(now.Add(deafPatience))
	case a.until.Sub(now) >= answerPatience:
		return nil
	}
	a.until = now.Add(2 * answerPatience)
	return s.SetWriteDeadline(a.until)
}

// end notes how an answer ended.
func (a *answerTime) end(peer socket.Name, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.deaf = peer
	} else if peer == a.deaf {
		a.deaf = socket.Name{}
	}
}
