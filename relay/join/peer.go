package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// firstMessage is what a datagram socket received before it had a peer.
type firstMessage struct {
	data []byte
	from socket.Name
	err  error // it did not fit
}

// FirstPeer waits on a datagram socket, bound and not connected, for whoever
// sends first, and returns the end that the two make. The message that came is
// the first that Join takes from it; what others send, and had sent before, is
// left out. The socket is connected to the peer, unless it has several
// addresses: then answers leave by the one that the peer has sent to, which a
// connection could not promise. A message longer than maxMessage bytes (0 or less: as in [Options.MaxMessage])
// still chooses the peer, and Join counts it as refused. Senders that admit, if
// not nil, says no to are passed over.
//
// The end of ctx ends the wait with ctx's cause. A read deadline that the
// socket had is gone afterwards. Peers without a name, as unix datagram sockets
// that were not bound, cannot be told from each other nor answered: all are
// heard as one, and Join counts answers as refused. On any error the socket is
// still the caller's and open.
func FirstPeer(ctx context.Context, s *socket.Socket, maxMessage int, admit func(*socket.Message) bool) (End, error) {
	o := Options{MaxMessage: maxMessage}
	if err := o.check(); err != nil {
		return End{}, err
	}
	if p := s.Properties(); p.Connected || !p.Bounded {
		return End{}, fmt.Errorf("relay: a %v socket does not wait for datagrams: accept its connections, or give it to Join as it is", kindText(s.Kind()))
	}
	several := option.AnswerAsAsked(s, s.Name())
	m := socket.Message{}
	m.SetData(make([]byte, o.Limit(s)))
	err := receive(ctx, s, &m)
	for isMessage(err) && admit != nil && !admit(&m) {
		m.Flags = 0
		err = receive(ctx, s, &m)
	}
	first := &firstMessage{from: m.Peer}
	if !isMessage(err) {
		return End{}, err
	}
	first.err = err
	first.data = slices.Clone(m.Buffers[0][:m.N])
	if several || m.Peer.IsUnnamed() {
		to := socket.Correspondents{Peer: m.Peer, Hears: func(n socket.Name) bool { return n == first.from }}
		if m.Ancillary.Present&socket.HasPacketInfo != 0 {
			to.Info = m.Ancillary.PacketInfo.Answer()
		}
		if several {
			option.ReceiveErrors.Set(s, true) // or nothing tells that the peer is gone
		}
		peer, err := socket.Unconnected(s, to)
		return End{Socket: peer, first: first}, err
	}
	if err := s.Connect(ctx, m.Peer); err != nil {
		return End{}, fmt.Errorf("relay: the message of %v came, and it cannot be answered: %w", m.Peer, err)
	}
	return End{Socket: s, first: first}, nil
}

// isMessage reports whether a message came, if not as it should.
func isMessage(err error) bool {
	return err == nil || errors.Is(err, socket.ErrTruncated) || errors.Is(err, socket.ErrDescriptorsRefused)
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
