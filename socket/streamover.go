package socket

import (
	"errors"
	"sync"
	"syscall"
)

// maxPart is the most bytes of a stream that go in one message.
const maxPart = 32 << 10

// leastPart is what every kind takes.
const leastPart = 256

var streamLayer = &LayerKind{Name: "stream"}

// StreamOver makes a stream of a socket with message boundaries, as that of
// unix-seqpacket, for protocols that want bytes, as gRPC and TLS: what is written goes
// in messages of at most 32 KiB, or of what s takes, and a read returns what is left of a
// message. A longer one, which a peer without StreamOver may send, is [ErrTruncated], for good.
// The kind must be reliable, ordered and connected. The stream owns s; ending it in one
// direction ends s so. The other way round, messages over a stream, is package frame's.
func StreamOver(s *Socket) (*Socket, error) {
	p := s.Properties()
	if !p.Bounded || !p.Reliable || !p.Ordered || !p.Connected {
		return nil, &UnsupportedError{Feature: "a stream over a " + s.kind.String() + " socket",
			Needs: "a kind with messages that is reliable, ordered and connected, such as unix-seqpacket"}
	}
	return streamLayer.Wrap(&streamOver{Endpoint: s, part: maxPart}, s), nil
}

type streamOver struct {
	Endpoint // a *Socket

	reading sync.Mutex
	memory  []byte
	left    []byte // of the last message
	failed  error  // of a read: after a message that was cut there is a hole

	writing sync.Mutex
	part    int // the most bytes of a message that the kind has taken, as far as is known
}

// Lower implements [Layer].
func (s *streamOver) Lower() Endpoint { return s.Endpoint }

// Properties implements [Promiser].
func (s *streamOver) Properties() Properties {
	p := s.Endpoint.(*Socket).Properties()
	p.Bounded, p.Urgent = false, 0
	return p
}

func (s *streamOver) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.failed != nil {
		return 0, s.failed
	}
	for len(s.left) == 0 { // an empty message is nothing on a stream
		if s.memory == nil {
			s.memory = make([]byte, maxPart)
		}
		n, err := s.Endpoint.Read(s.memory)
		if err != nil {
			if errors.Is(err, ErrTruncated) {
				s.failed = err
			}
			return 0, err
		}
		s.left = s.memory[:n]
	}
	n := copy(b, s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *streamOver) Write(b []byte) (sent int, err error) {
	s.writing.Lock() // so that the parts of two writes do not mix
	defer s.writing.Unlock()
	for sent < len(b) && err == nil {
		var n int
		n, err = s.Endpoint.Write(b[sent:min(sent+s.part, len(b))])
		sent += n
		if n == 0 && s.part > leastPart && errors.Is(err, syscall.EMSGSIZE) {
			s.part /= 2 // the kind, or its send buffer, has a lesser bound
			err = nil
		}
	}
	return sent, err
}

// Shutdown implements [Shutdowner].
func (s *streamOver) Shutdown(how ShutdownHow) error { return s.Endpoint.(*Socket).Shutdown(how) }

// Abort implements [Aborter].
func (s *streamOver) Abort() error { return s.Endpoint.(*Socket).Abort() }

// Close implements [Endpoint].
func (s *streamOver) Close() error { return s.Endpoint.Close() }
