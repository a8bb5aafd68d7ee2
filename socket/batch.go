package socket

import (
	"errors"
	"strconv"
)

// SendBatch sends messages in order, many in one system call where the kind
// can, and returns how many left. It stops at the first error.
//
// On udp, messages of one size to one peer leave as one train, as long as
// [Socket.Offloads] says so; that changes nothing of what arrives.
func (s *Socket) SendBatch(ms []Message) (int, error) {
	b, ok := As[Batcher](s.endpoint)
	if !ok {
		for i := range ms {
			if _, err := s.Send(&ms[i]); err != nil {
				return i, err
			}
		}
		return len(ms), nil
	}
	start := s.now()
	n, err := b.SendBatch(ms)
	if s.trace != nil {
		s.tracedIO(start, "sendmmsg", strconv.Itoa(len(ms)), n, err)
	}
	if err != nil {
		var peer Name
		if n < len(ms) {
			peer = ms[n].Peer
		}
		err = s.failedTo("send", peer, err)
	}
	return n, err
}

// ReceiveBatch waits for at least one message, fills as many of ms as are
// there without waiting more, at most 64, and returns how many. A kind that
// cannot tell what is there fills one. ErrTruncated and ErrDescriptorsRefused
// come beside the number, for one or more of the messages: the flag Truncated
// says which were cut. An empty ms receives nothing.
func (s *Socket) ReceiveBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	b, ok := As[Batcher](s.endpoint)
	if !ok {
		err := s.Receive(&ms[0])
		if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrDescriptorsRefused) {
			return 0, err
		}
		return 1, err
	}
	start := s.now()
	n, err := b.ReceiveBatch(ms)
	if s.trace != nil {
		s.tracedIO(start, "recvmmsg", strconv.Itoa(len(ms)), n, err)
	}
	if err != nil {
		err = s.failed("receive", err)
	}
	return n, err
}
