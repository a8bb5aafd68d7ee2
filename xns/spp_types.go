package xns

import (
	"context"
	"os"
	"syscall"

	"zocalo/socket"
)

// sppStream is an endpoint of type Stream.
type sppStream struct{ *spp }

func (e *sppStream) Read(b []byte) (n int, err error) {
	c, _, err := e.connected("read")
	if err != nil {
		return 0, err
	}
	l := e.ReadLimits(context.Background())
	if len(b) == 0 {
		return 0, l.Over()
	}
	err = l.Await(c.readable, "read", func() (ready bool, err error) {
		n, ready, err = c.read(b)
		return ready, err
	})
	return n, err
}

func (e *sppStream) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	n, err := e.writeStream(buffers[:])
	return int(n), err
}

func (e *sppStream) Writev(buffers [][]byte) (int64, error) { return e.writeStream(buffers) }

// sppSeqPacket is an endpoint of type SeqPacket.
type sppSeqPacket struct{ *spp }

func (e *sppSeqPacket) Read(b []byte) (int, error) {
	buffers := [1][]byte{b}
	m, n, err := e.take(buffers[:], false)
	if err == nil && n < m.size {
		err = socket.ErrTruncated
	}
	return n, err
}

// Receive says with EndOfRecord whether the peer marked the message's end. One
// without the mark is a part, or was ended by another datastream type, which
// DatastreamOf returns.
func (e *sppSeqPacket) Receive(m *socket.Message) error {
	peek := m.Flags&socket.Peek != 0
	clearMessage(m)
	r, n, err := e.take(m.Buffers, peek)
	if err != nil {
		return err
	}
	m.N, m.Size, m.Flags = n, r.size, r.messageFlags()
	if r.datastream != 0 {
		SetDatastream(m, r.datastream)
	}
	if n < r.size {
		m.Flags |= socket.Truncated
		return socket.ErrTruncated
	}
	return nil
}

func (e *sppSeqPacket) take(buffers [][]byte, peek bool) (m record, n int, err error) {
	c, _, err := e.connected("recvmsg")
	if err != nil {
		return m, 0, err
	}
	l := e.ReadLimits(context.Background())
	err = l.Await(c.readable, "recvmsg", func() (ready bool, err error) {
		m, n, ready, err = c.take(buffers, peek)
		return ready, err
	})
	return m, n, err
}

func (e *sppSeqPacket) Write(b []byte) (int, error) {
	buffers := [1][]byte{b}
	return e.transmit(buffers[:], -1, true)
}

func (e *sppSeqPacket) Writev(buffers [][]byte) (int64, error) {
	n, err := e.transmit(buffers, -1, true)
	return int64(n), err
}

// Send sends a message, and marks its end unless m.Flags says More.
func (e *sppSeqPacket) Send(m *socket.Message) (int, error) {
	if err := refuseExtras(m, socket.EndOfRecord|socket.More); err != nil {
		return 0, err
	}
	if !m.Peer.IsZero() && m.Peer != e.Peer() {
		return 0, os.NewSyscallError("sendmsg", syscall.EISCONN)
	}
	datastream, err := controlOf(m, LevelSPP, ControlDatastream)
	if err == nil && datastream >= datastreamEnd {
		err = os.NewSyscallError("sendmsg", syscall.EINVAL)
	}
	if err != nil {
		return 0, err
	}
	return e.transmit(m.Buffers, datastream, m.Flags&socket.More == 0)
}

// transmit sends a message, with the socket's own datastream type if the given
// one is negative.
func (e *sppSeqPacket) transmit(buffers [][]byte, datastream int, end bool) (int, error) {
	c, own, err := e.connected("sendmsg")
	if err != nil {
		return 0, err
	}
	if datastream < 0 {
		datastream = int(own)
	}
	size := total(buffers)
	l := e.WriteLimits(context.Background())
	if err := l.Await(c.writable, "sendmsg", func() (bool, error) { return c.put(buffers, size, uint8(datastream), end) }); err != nil {
		return 0, err
	}
	return size, nil
}
