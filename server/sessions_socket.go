package server

import (
	"container/list"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"zocalo/socket"
)

// sessionSocket is the socket beneath many sessions, which take turns to send.
type sessionSocket struct {
	*socket.Socket

	mu      sync.Mutex
	m       socket.Message
	answers answerTime
}

// send sends a message to a peer. One that does not read, as a unix datagram
// socket may, gets as little time as with [EchoDatagrams], and then
// os.ErrDeadlineExceeded.
func (s *sessionSocket) send(buffers [][]byte, peer socket.Name) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.answers.begin(s.Socket, peer); err != nil {
		return 0, err
	}
	s.m.Buffers = append(s.m.Buffers[:0], buffers...)
	s.m.Peer = peer
	n, err := s.Send(&s.m)
	clear(s.m.Buffers)
	s.answers.end(peer, err)
	return n, err
}

// session is the endpoint of one peer's session.
type session struct {
	table *sessionTable
	key   sessionKey

	// Guarded by the table's mu.
	place *list.Element // in recent; nil once taken out
	last  time.Time     // when something passed

	mu       sync.Mutex
	changed  sync.Cond // of all below, for those who wait to read
	queue    messageQueue
	ended    bool // no more comes after what is in the queue
	closed   bool
	deadline [2]time.Time // of reading and writing
	timer    *time.Timer  // of the deadline of reading

	one     [1][]byte // the buffer of Write, guarded by sending
	sending sync.Mutex
}

func newSession(t *sessionTable, key sessionKey) *session {
	s := &session{table: t, key: key}
	s.changed.L = &s.mu
	return s
}

// put queues a message where there is room, unless the session is over.
func (s *session) put(data []byte) (queued, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.closed {
		return false, true
	}
	queued = s.queue.put(data, s.table.queue())
	s.changed.Signal()
	return queued, false
}

// end makes the reader see the end once it has read what waits.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changed.Broadcast()
}

// wait waits, with mu held, until a message waits.
func (s *session) wait() error {
	for {
		switch {
		case s.closed:
			return net.ErrClosed
		case passed(s.deadline[socket.Read]):
			return os.ErrDeadlineExceeded
		case !s.queue.empty():
			return nil
		case s.ended:
			return io.EOF
		}
		s.changed.Wait()
	}
}

// WaitRead implements socket.ReadWaiter.
func (s *session) WaitRead() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(); err != io.EOF {
		return err
	}
	return nil
}

func passed(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

func (s *session) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(); err != nil {
		return 0, err
	}
	message := s.queue.get()
	n := copy(b, message)
	if n < len(message) {
		return n, socket.ErrTruncated
	}
	return n, nil
}

// Receive implements socket.Messenger.
func (s *session) Receive(m *socket.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.wait(); err != nil {
		return err
	}
	message := s.queue.get()
	m.N, m.Size, m.Peer, m.Flags, m.SegmentSize, m.Ancillary.Present = 0, len(message), s.key.peer, 0, 0, 0
	for _, b := range m.Buffers {
		m.N += copy(b, message[m.N:])
	}
	if m.N < m.Size {
		m.Flags = socket.Truncated
		return socket.ErrTruncated
	}
	return nil
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
	if !m.Peer.IsZero() && m.Peer != s.key.peer {
		return 0, &socket.UnsupportedError{Feature: "sending to another peer in a session", Needs: "the socket beneath"}
	}
	size := 0
	for _, b := range m.Buffers {
		size += len(b)
	}
	return s.write(m.Buffers, size)
}

// write sends a message. A peer that does not read is a network that loses:
// the message is dropped and counted.
func (s *session) write(buffers [][]byte, size int) (int, error) {
	s.mu.Lock()
	closed, deadline := s.closed, s.deadline[socket.Write]
	s.mu.Unlock()
	switch {
	case closed:
		return 0, net.ErrClosed
	case passed(deadline):
		return 0, os.ErrDeadlineExceeded
	}
	s.table.passed(s) // before, so that the peer's answer is later
	n, err := s.key.socket.send(buffers, s.key.peer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.table.drop("its receiver does not read", s.key.peer)
		return size, nil
	}
	return n, err
}

func (s *session) Close() error {
	s.table.leave(s) // first, see deliver
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.queue = messageQueue{}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.changed.Broadcast()
	return nil
}

func (s *session) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.deadline[socket.Read] = t
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if !t.IsZero() {
		s.timer = time.AfterFunc(time.Until(t), s.wake)
	}
	s.changed.Broadcast()
	return nil
}

func (s *session) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// SetWriteDeadline holds for writes that begin after it: none waits for longer
// than the fifth of a second.
func (s *session) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.deadline[socket.Write] = t
	return nil
}

func (s *session) Name() socket.Name { return s.key.socket.Name() }
func (s *session) Peer() socket.Name { return s.key.peer }

// messageQueue holds messages in one piece of memory: for each its length in 4
// octets, then its data.
type messageQueue struct {
	b  []byte
	at int // where the first message is
}

const messageHead = 4

func (q *messageQueue) empty() bool { return q.at == len(q.b) }

// put adds a message, unless that makes more than limit octets. An empty queue
// takes any one.
func (q *messageQueue) put(data []byte, limit int) bool {
	waiting, need := len(q.b)-q.at, messageHead+len(data)
	if waiting > 0 && waiting+need > limit {
		return false
	}
	if len(q.b)+need > cap(q.b) && q.at > 0 {
		q.b = q.b[:copy(q.b, q.b[q.at:])]
		q.at = 0
	}
	q.b = binary.NativeEndian.AppendUint32(q.b, uint32(len(data)))
	q.b = append(q.b, data...)
	return true
}

// get takes the first message, of a queue that is not empty. It is good until
// the next put.
func (q *messageQueue) get() []byte {
	rest := q.b[q.at:]
	end := messageHead + int(binary.NativeEndian.Uint32(rest))
	if q.at += end; q.empty() {
		q.b, q.at = q.b[:0], 0
	}
	return rest[messageHead:end]
}
