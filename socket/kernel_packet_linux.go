package socket

import (
	"context"
	"sync/atomic"
)

// packetKernel is a packet socket, whose peer is this package's own notion: the
// system knows no connect(2) for it, and a packet without its link header needs
// a hardware address with each send.
type packetKernel struct {
	datagramKernel
	to atomic.Pointer[Name]
}

// Connect implements Connector: it binds to the peer's interface and protocol,
// and remembers its hardware address.
func (k *packetKernel) Connect(ctx context.Context, peer Name) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if peer.IsZero() {
		k.to.Store(nil)
		return nil
	}
	index, protocol, _, _ := peer.Link()
	if err := k.Bind(PacketName(index, protocol, nil)); err != nil {
		return err
	}
	k.to.Store(&peer)
	return nil
}

// Peer is the name that Connect was given.
func (k *packetKernel) Peer() Name {
	if p := k.to.Load(); p != nil {
		return *p
	}
	return Name{}
}

// Write sends to the peer. With its link header the packet says itself where
// it goes.
func (k *packetKernel) Write(b []byte) (int, error) {
	peer := k.Peer()
	if k.kind.Type == Raw || peer.IsZero() {
		return k.datagramKernel.Write(b)
	}
	return k.sendControl(b, nil, peer)
}

// Send implements Messenger.
func (k *packetKernel) Send(m *Message) (int, error) {
	if !m.Peer.IsZero() || k.kind.Type == Raw {
		return k.datagramKernel.Send(m)
	}
	to := *m
	to.Peer = k.Peer()
	return k.datagramKernel.Send(&to)
}

// SendBatch implements Batcher.
func (k *packetKernel) SendBatch(ms []Message) (int, error) {
	if k.kind.Type == Raw || k.to.Load() == nil {
		return k.datagramKernel.SendBatch(ms)
	}
	for i := range ms {
		if _, err := k.Send(&ms[i]); err != nil {
			return i, err
		}
	}
	return len(ms), nil
}

// Writev implements VectorWriter.
func (k *packetKernel) Writev(buffers [][]byte) (int64, error) {
	if k.kind.Type == Raw || k.to.Load() == nil {
		return k.datagramKernel.Writev(buffers)
	}
	n, err := k.Send(&Message{Buffers: buffers})
	return int64(n), err
}
