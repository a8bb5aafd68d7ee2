package xns

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"zocalo/socket"
)

// The memory for what one call receives: so many messages, each of which the
// system may have joined of many datagrams.
const (
	udpMessages = 4
	udpRoom     = 64 << 10
)

// udpTrains cut what the system hands over into packets. Only one goroutine
// reads.
type udpTrains struct {
	messages [udpMessages]socket.Message // made when the first is read
	got      int                         // of them
	current  int                         // the one that is being cut
	at       int                         // how many bytes of it are done
	from     netip.AddrPort              // its sender
}

// more reports whether another packet is there without waiting.
func (t *udpTrains) more() bool { return t.current < t.got }

// next returns the next packet, which is good until the next call.
func (t *udpTrains) next(u *udp) ([]byte, error) {
	for {
		for !t.more() {
			if err := t.receive(u.s); err != nil {
				return nil, err
			}
		}
		m := &t.messages[t.current]
		size := m.N - t.at
		if m.SegmentSize > 0 {
			size = min(size, m.SegmentSize)
		}
		packet := m.Buffers[0][t.at : t.at+size]
		if t.at == 0 {
			t.from = m.Peer.AddrPort()
		}
		if t.at += size; t.at >= m.N {
			t.current, t.at = t.current+1, 0
		}
		if u.expected(packet, m) {
			return packet, nil
		}
	}
}

// receive waits for messages.
func (t *udpTrains) receive(s *socket.Socket) (err error) {
	if t.messages[0].Buffers == nil {
		for i := range t.messages {
			t.messages[i].Buffers = [][]byte{make([]byte, udpRoom)}
		}
	}
	t.current, t.at = 0, 0
	t.got, err = s.ReceiveBatch(t.messages[:])
	switch {
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, socket.ErrTruncated), // longer than any packet
		errors.Is(err, syscall.ECONNREFUSED): // nobody is there yet, or any more
		return nil
	}
	return err
}
