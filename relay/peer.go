package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zocalo/socket"
)

// firstMessage is what a datagram socket received before it had a peer.
type firstMessage struct {
	data []byte
	from socket.Name
	err  error // it did not fit
}

// FirstPeer waits on a datagram socket, bound and not connected, for whoever
// sends first, connects the socket to that peer, and returns the end that the
// two make. The message that came is the first that Join takes from it; what
// others send, and had sent before the socket was connected, is left out. A
// message longer than maxMessage octets (0 or less: as in [Options.MaxMessage])
// still chooses the peer, and Join counts it as refused.
//
// The end of ctx ends the wait with ctx's cause. A read deadline that the
// socket had is gone afterwards. A peer without a name, as a unix datagram
// socket that was not bound, cannot be answered nor told from others like it,
// and is refused with *[UnnamedPeerError]; FirstPeer may be called again. On
// any error the socket is still the caller's and open.
func FirstPeer(ctx context.Context, s *socket.Socket, maxMessage int) (End, error) {
	o := Options{MaxMessage: maxMessage}
	if err := o.check(); err != nil {
		return End{}, err
	}
	if p := s.Properties(); p.Connected || !p.Bounded {
		return End{}, fmt.Errorf("relay: a %v socket does not wait for datagrams: accept its connections, or give it to Join as it is", kindText(s.Kind()))
	}
	m := socket.Message{}
	m.SetData(make([]byte, o.maxMessage(s)))
	err := receive(ctx, s, &m)
	first := &firstMessage{from: m.Peer}
	switch {
	case errors.Is(err, socket.ErrTruncated), errors.Is(err, socket.ErrDescriptorsRefused):
		first.err = err
	case err != nil:
		return End{}, err
	}
	if m.Peer.IsZero() {
		return End{}, &UnnamedPeerError{s.Kind(), m.Size}
	}
	first.data = slices.Clone(m.Buffers[0][:m.N])
	if err := s.Connect(ctx, m.Peer); err != nil {
		return End{}, fmt.Errorf("relay: the message of %v came, and it cannot be answered: %w", m.Peer, err)
	}
	return End{Socket: s, first: first}, nil
}

// receive is s.Receive that the end of ctx ends.
func receive(ctx context.Context, s *socket.Socket, m *socket.Message) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.SetReadDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	err := s.Receive(m)
	if stop() {
		return err
	}
	<-interrupted
	s.SetReadDeadline(time.Time{})
	return context.Cause(ctx)
}

// An UnnamedPeerError refuses a sender that has no name to answer to.
type UnnamedPeerError struct {
	Kind socket.Kind
	Size int // octets of its message, which is lost
}

// Error says what the sender should do.
func (e *UnnamedPeerError) Error() string {
	return fmt.Sprintf("relay: a message of %d octets came from a %v socket without a name, which cannot be answered: bind the sender to a name, as bind=/run/sender.sock", e.Size, kindText(e.Kind))
}
