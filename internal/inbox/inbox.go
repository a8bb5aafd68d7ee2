// Package inbox receives datagrams many at a time, for those who take all that come.
package inbox

import (
	"errors"

	"zocalo/socket"
)

// An Inbox receives the messages of one socket without connections, as many at a
// time as come. Its memory grows with them.
type Inbox struct {
	socket   *socket.Socket
	size     int // bytes of a message
	messages []socket.Message
	want     int // how many to ask for at once
}

// The bounds of an Inbox: messages, and bytes of memory unless a single message
// takes more.
const (
	mostInbox      = 64
	mostInboxBytes = 4 << 20
)

// trainBytes is the longest train that the system joins of datagrams.
const trainBytes = 64 << 10

// New makes an inbox for messages of up to size bytes, and one more, so that
// longer ones show. Where the option gro is on, trains find room.
func New(s *socket.Socket, size int) *Inbox {
	if s.Offloads().Receive.On {
		size = max(size, trainBytes)
	}
	return &Inbox{socket: s, size: size + 1, want: 1}
}

// Receive is [socket.Socket.ReceiveBatch], without the errors that concern one message: the
// flag Truncated says which did not fit. The messages are the inbox's until the
// next call, and may be changed until then.
//
// It asks for as many as came lately, since each that is asked for costs some time
// whether it comes or not: a single one would wait for the preparation of all.
func (in *Inbox) Receive() ([]socket.Message, error) {
	for len(in.messages) < in.want {
		in.messages = append(in.messages, socket.Message{Buffers: [][]byte{make([]byte, in.size)}})
	}
	batch := in.messages[:in.want]
	for i := range batch {
		b := &batch[i].Buffers[0]
		*b = (*b)[:cap(*b)]
		batch[i].Flags = 0
	}
	n, err := in.socket.ReceiveBatch(batch)
	switch {
	case n == in.want:
		in.want = min(2*in.want, mostInbox, max(1, mostInboxBytes/in.size))
	case n < in.want/4:
		in.want /= 2
	}
	if errors.Is(err, socket.ErrTruncated) || errors.Is(err, socket.ErrDescriptorsRefused) {
		err = nil
	}
	return batch[:n], err
}
