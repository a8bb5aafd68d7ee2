package socket

import (
	"fmt"
	"sync"
	"time"
)

// Correspondents say who is at the other end of a datagram socket that is not
// connected.
type Correspondents struct {
	// Peer is where writes go to, and Info where they leave, as
	// [PacketInfo.Answer] has it for the message of a peer that asked first.
	// The zero Name is a peer that has no name, and cannot be written to.
	Peer Name
	Info PacketInfo

	// Hears reports whether messages of that sender are read; those of others
	// are dropped. Nil hears everybody.
	Hears func(from Name) bool

	// Follow writes to whoever sent the message that was read last.
	Follow bool
}

// Unconnected returns a socket that writes to a peer, and reads what others
// send, through s, which it owns and which is not connected: a connected
// socket hears its peer alone, at that one port and address. What it returns
// knows who sent what was read last, see [Hearer]; it has no descriptor of its
// own.
func Unconnected(s *Socket, c Correspondents) (*Socket, error) {
	if s.messenger == nil || s.Type() != Datagram {
		return nil, s.unsupported("socket", "an unconnected peer", "a datagram socket")
	}
	return Wrap(&unconnected{s: s, to: c}, s.Kind()), nil
}

// A Hearer hears several peers.
type Hearer interface {
	// Sender is who sent the message that was read last.
	Sender() Name
}

// An UnnamedPeerError refuses a message for a peer that has no name to write
// to, as a unix datagram socket that was not bound. It concerns one message.
type UnnamedPeerError struct{ Kind Kind }

// Error says what the peer should do.
func (e *UnnamedPeerError) Error() string {
	return fmt.Sprintf("the peer is a %v socket without a name, and cannot be answered: bind it, for example with bind=/run/peer.sock", e.Kind)
}

type unconnected struct {
	s *Socket

	mu     sync.Mutex
	to     Correspondents
	sender Name

	receiving sync.Mutex // guards in
	in        Message    // of Read
	sending   sync.Mutex // guards out
	out       Message    // of Write
}

// Lower implements Layer.
func (u *unconnected) Lower() Endpoint { return u.s }

// Sender implements Hearer.
func (u *unconnected) Sender() Name {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sender
}

func (u *unconnected) Read(b []byte) (int, error) {
	u.receiving.Lock()
	defer u.receiving.Unlock()
	u.in.SetData(b)
	defer func() { u.in.Buffers[0] = nil }()
	err := u.Receive(&u.in)
	return u.in.N, err
}

// Receive implements Messenger.
func (u *unconnected) Receive(m *Message) error {
	flags := m.Flags
	for {
		m.Flags = flags
		err := u.s.messenger.Receive(m)
		if err != nil && err != ErrTruncated && err != ErrDescriptorsRefused || u.heard(m) {
			return err
		}
	}
}

// heard reports whether the message received is one to be read, and notes who
// sent it.
func (u *unconnected) heard(m *Message) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.to.Hears != nil && !u.to.Hears(m.Peer) {
		return false
	}
	u.sender = m.Peer
	if u.to.Follow {
		u.to.Peer, u.to.Info = m.Peer, PacketInfo{}
		if m.Ancillary.Present&HasPacketInfo != 0 {
			u.to.Info = m.Ancillary.PacketInfo.Answer()
		}
	}
	return true
}

func (u *unconnected) Write(b []byte) (int, error) {
	u.sending.Lock()
	defer u.sending.Unlock()
	u.out.SetData(b)
	defer func() { u.out.Buffers[0] = nil }()
	u.out.Peer = Name{}
	return u.Send(&u.out)
}

// Send implements Messenger. A message that names no peer is for the one that
// writes go to.
func (u *unconnected) Send(m *Message) (int, error) {
	if m.Peer.IsZero() {
		u.mu.Lock()
		peer, info := u.to.Peer, u.to.Info
		u.mu.Unlock()
		if peer.IsUnnamed() {
			return 0, &UnnamedPeerError{u.s.Kind()}
		}
		m.Peer, m.Ancillary.Present = peer, m.Ancillary.Present&^HasPacketInfo
		if info != (PacketInfo{}) {
			m.Ancillary.Present |= HasPacketInfo
			m.Ancillary.PacketInfo = info
		}
	}
	return u.s.messenger.Send(m)
}

// IsUnnamed reports whether nobody can be written to at a name: that of an
// unbound unix socket, and port 0.
func (n Name) IsUnnamed() bool {
	switch n.domain {
	case Unspecified:
		return true
	case Unix:
		return n.length == 0
	case Inet, Inet6:
		return n.port() == 0
	}
	return false
}

// WaitRead implements ReadWaiter. What waits may be of a sender who is not
// heard.
func (u *unconnected) WaitRead() error { return u.s.WaitRead() }

func (u *unconnected) Close() error { return u.s.Close() }

// Abort is Close: datagrams have no connection to reset.
func (u *unconnected) Abort() error { return u.Close() }

func (u *unconnected) SetReadDeadline(t time.Time) error { return u.s.SetReadDeadline(t) }

func (u *unconnected) SetWriteDeadline(t time.Time) error { return u.s.SetWriteDeadline(t) }

func (u *unconnected) Name() Name {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.to.Info.At(u.s.Name())
}

func (u *unconnected) Peer() Name {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.to.Peer
}
