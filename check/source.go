package check

import (
	"context"
	"errors"

	"zocalo/socket"
)

// A Source makes the sockets of one kind for the experiments. Fields that are
// nil are something that the kind does not have, and what needs them is
// skipped.
type Source struct {
	// Name is what the report calls the kind.
	Name string
	// Kind is what its sockets are made of.
	Kind socket.Kind
	// Promised is what the kind promises.
	Promised socket.Properties

	// New makes a socket without a name and without a peer.
	New func() (*socket.Socket, error)
	// Bind gives a socket a name of this machine's that nobody else has.
	Bind func(context.Context, *socket.Socket) error
	// Pair makes two sockets that are connected to each other, the active one
	// first. If it is nil, New and Bind make them.
	Pair func(context.Context) (active, passive *socket.Socket, err error)

	// Nobody connects to where there was a listener, and says why it cannot, for a
	// source that has Pair. If it is nil, an end of a pair is closed instead.
	Nobody func(context.Context) error

	// OneWay says that only the active end of a pair writes, and only the
	// passive one reads.
	OneWay bool
	// Payload returns what the sender sent out of what a read gave; nil means
	// all of it.
	Payload func([]byte) []byte
	// MostMessage is the most bytes of a message that the experiments send,
	// for a kind that takes no more than some hundreds; 0 means what they like.
	// The experiment on the largest message does not look at it.
	MostMessage int
	// Close frees what the source itself holds; it may be nil.
	Close func()
}

// connect makes the pair of a source: over a listener, or of two sockets that
// have names and each other for peers.
func (s *Source) connect(ctx context.Context) (active, passive *socket.Socket, err error) {
	if s.Pair != nil {
		return s.Pair(ctx)
	}
	if s.New == nil || s.Bind == nil {
		return nil, nil, errors.New("the source makes neither pairs nor sockets with names")
	}
	if s.Promised.Connected {
		return s.connectThroughListener(ctx)
	}
	if active, err = s.bound(ctx); err != nil {
		return nil, nil, err
	}
	if passive, err = s.bound(ctx); err == nil {
		err = errors.Join(active.Connect(ctx, passive.Name()), passive.Connect(ctx, active.Name()))
	}
	if err != nil {
		active.Close()
		if passive != nil {
			passive.Close()
		}
		return nil, nil, err
	}
	return active, passive, nil
}

func (s *Source) connectThroughListener(ctx context.Context) (active, passive *socket.Socket, err error) {
	l, err := s.listen(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if active, err = s.New(); err != nil {
		return nil, nil, err
	}
	if err = active.Connect(ctx, l.Name()); err == nil {
		passive, err = l.Accept(ctx)
	}
	if err != nil {
		active.Close()
		return nil, nil, err
	}
	return active, passive, nil
}

// bound makes a socket with a name.
func (s *Source) bound(ctx context.Context) (*socket.Socket, error) {
	sock, err := s.New()
	if err != nil {
		return nil, err
	}
	if err := s.Bind(ctx, sock); err != nil {
		sock.Close()
		return nil, err
	}
	return sock, nil
}

// listen makes a passive socket.
func (s *Source) listen(ctx context.Context, backlog int) (*socket.Socket, error) {
	l, err := s.bound(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.Listen(backlog); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// listens reports whether the kind has a passive side with a queue.
func (s *Source) listens() bool { return s.Promised.Connected && s.New != nil && s.Bind != nil }

func (s *Source) payload(b []byte) []byte {
	if s.Payload == nil {
		return b
	}
	return s.Payload(b)
}
