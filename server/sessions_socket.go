package server

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/socket"
	"zocalo/socket/wait"
)

// sessionSocket is the socket beneath many sessions, which take turns to send.
type sessionSocket struct {
	*socket.Socket
	waits bool // the kind loses nothing: the sender waits until it is read

	mu      sync.Mutex
	m       socket.Message
	answers accept.AnswerTime
}

// send sends a message to a peer. One that does not read, such as a unix datagram
// socket, gets as little time as [accept.AnswerTime] says, since all others wait for that
// long, and then it is os.ErrDeadlineExceeded.
func (s *sessionSocket) send(buffers [][]byte, peer socket.Name, from socket.PacketInfo) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.answers.Begin(s.Socket, peer); err != nil {
		return 0, err
	}
	s.m.Buffers = append(s.m.Buffers[:0], buffers...)
	s.m.Peer, s.m.Ancillary.PacketInfo, s.m.Ancillary.Present = peer, from, 0
	if from != (socket.PacketInfo{}) {
		s.m.Ancillary.Present = socket.HasPacketInfo
	}
	n, err := s.Send(&s.m)
	clear(s.m.Buffers)
	s.answers.End(peer, err)
	return n, err
}

// session is the endpoint of one peer's session.
type session struct {
	table *sessionTable
	key   sessionKey

	// Guarded by the table's mu.
	place pass.Entry[*session] // in recent
	out   bool                 // of the table

	wait.Life
	came wait.Bell     // there is something to read, or nothing more
	room wait.Bell     // in queue
	over chan struct{} // closed when ended is set

	mu       sync.Mutex // of all below
	queue    pass.Queue
	senders  []sender      // of what is in queue, with Together
	to       sender        // whom writes go to
	answered bool          // since the last message came
	repeat   accept.Repeat // of messages in answer to ours
	ended    bool          // no more comes after what is in the queue

	one     [1][]byte // the buffer of Write, guarded by sending
	sending sync.Mutex
}

func newSession(t *sessionTable, key sessionKey, from sender) *session {
	s := &session{table: t, key: key, to: from, over: make(chan struct{}), came: wait.NewBell(), room: wait.NewBell()}
	s.Init()
	s.place.Session = s
	return s
}

// put queues a message where there is room, unless the session is over. Where the
// kind lets senders wait, it waits for room.
func (s *session) put(data []byte, from sender) (queued, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, true
	}
	if s.answered && s.repeat.End(data, time.Now()) {
		s.table.drop(accept.ErrRound.Error(), from.peer)
		return true, false
	}
	s.answered = false
	for queued = s.hasRoom(data); !queued && from.socket.waits; queued = s.hasRoom(data) {
		s.mu.Unlock() // and so do the senders wait, once the socket's own queue is full
		select {
		case <-s.room:
		case <-s.over:
		}
		if s.mu.Lock(); s.ended {
			return false, true
		}
	}
	if queued {
		s.queue.Put(data, 0)
		if s.table.Together {
			s.senders = append(s.senders, from)
		}
		s.came.Ring()
	}
	return queued, false
}

// hasRoom reports whether a message may wait. An empty queue takes any one.
func (s *session) hasRoom(data []byte) bool {
	return s.queue.Empty() || s.queue.Size()+pass.QueueHeader+len(data) <= s.table.queue()
}

// end makes the reader see the end once it has read what waits.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.over)
		s.came.Ring()
	}
}

// SessionOver returns a channel that is closed when the session is over, though
// there may be messages in it to read.
func (s *session) SessionOver() <-chan struct{} { return s.over }

// wait waits until a message waits, and calls take, which may take it, with mu held.
func (s *session) wait(take func() error) error {
	l := s.ReadLimits(context.Background())
	return l.Await(s.came, "read", func() (ready bool, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case !s.queue.Empty():
			err = take()
			s.queue.Rest()
		case s.ended:
			err = io.EOF
		default:
			return false, nil
		}
		if s.ended || !s.queue.Empty() {
			s.came.Ring() // for the next
		}
		return true, err
	})
}

// take takes the first message of a queue that is not empty, and lets put have its
// room. The caller holds mu.
func (s *session) take() []byte {
	s.room.Ring()
	if len(s.senders) > 0 {
		s.to = s.senders[0]
		s.senders = s.senders[1:]
	}
	for message := range s.queue.All {
		s.queue.Take(1, 0)
		return message
	}
	return nil
}

// Sender implements socket.Hearer.
func (s *session) Sender() socket.Name { return s.Peer() }

// WaitRead implements socket.ReadWaiter.
func (s *session) WaitRead() error {
	if err := s.wait(func() error { return nil }); err != io.EOF {
		return err
	}
	return nil
}

func (s *session) Read(b []byte) (n int, err error) {
	err = s.wait(func() error {
		message := s.take()
		if n = copy(b, message); n < len(message) {
			return socket.ErrTruncated
		}
		return nil
	})
	return n, err
}

// Receive implements socket.Messenger.
func (s *session) Receive(m *socket.Message) error {
	return s.wait(func() error {
		message := s.take()
		m.N, m.Size, m.Peer, m.Flags, m.SegmentSize, m.Ancillary.Present = 0, len(message), s.to.peer, 0, 0, 0
		for _, b := range m.Buffers {
			m.N += copy(b, message[m.N:])
		}
		if m.N < m.Size {
			m.Flags = socket.Truncated
			return socket.ErrTruncated
		}
		return nil
	})
}

func (s *session) Write(b []byte) (int, error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.one[0] = b
	defer func() { s.one[0] = nil }()
	return s.write(s.one[:], len(b))
}

// Send implements socket.Messenger. What accompanies the message is refused,
// and so is another peer.
func (s *session) Send(m *socket.Message) (int, error) {
	if m.Ancillary.Present != 0 || m.SegmentSize > 0 {
		return 0, &socket.UnsupportedError{Feature: "sending more than data in a session"}
	}
	if !m.Peer.IsZero() && m.Peer != s.Peer() {
		return 0, &socket.UnsupportedError{Feature: "sending to another peer in a session", Needs: "the socket beneath"}
	}
	size := 0
	for _, b := range m.Buffers {
		size += len(b)
	}
	return s.write(m.Buffers, size)
}

// write sends a message. Where the kind loses nothing it waits for a peer that does
// not read, and others do not wait for it; elsewhere such a peer is a network that
// loses: the message is dropped and counted, as it is once the session is over.
func (s *session) write(buffers [][]byte, size int) (int, error) {
	s.mu.Lock()
	to := s.to
	s.answered = true
	s.mu.Unlock()
	l := s.WriteLimits(context.Background())
	if err := l.Over(); err != nil {
		return 0, err
	}
	if to.peer.IsUnnamed() {
		s.table.drop("its receiver has no name to send to", to.peer)
		return size, nil
	}
	s.table.passed(s) // before, so that the peer's answer is later
	for pause := time.Duration(0); ; {
		n, err := to.socket.send(buffers, to.peer, to.at)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		over := !to.socket.waits
		if !over {
			pause = unreadBackoff.After(pause)
			again := time.NewTimer(pause)
			select {
			case <-again.C:
			case <-l.Closed:
			case <-l.Deadline.Passed():
			case <-s.over:
				over = true
			}
			again.Stop()
			if err := l.Over(); err != nil {
				return 0, err
			}
		}
		if over {
			s.table.drop("its receiver does not read", to.peer)
			return size, nil
		}
	}
}

// unreadBackoff is for a peer that does not read: the system does not tell when it
// does.
var unreadBackoff = pass.Backoff{First: time.Millisecond, Last: 50 * time.Millisecond}

// ClosesWhole implements socket.WholeCloser: a session that is over is so for
// both.
func (s *session) ClosesWhole() {}

func (s *session) Close() error {
	s.table.leave(s) // first, see deliver
	if err := s.Life.End(); err != nil {
		return err
	}
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for range s.queue.All {
		s.table.dropped.Add(1)
	}
	s.queue, s.senders = pass.Queue{}, nil
	return nil
}

func (s *session) Name() socket.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.at.At(s.to.socket.Name())
}

func (s *session) Peer() socket.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.peer
}
