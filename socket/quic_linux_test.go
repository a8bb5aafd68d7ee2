package socket_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// quicConn is what quic-go looks for in a PacketConn beyond its methods, so as
// to read in batches, send in trains and mark for ECN.
type quicConn interface {
	quic.OOBCapablePacketConn
	net.Conn
	SetWriteBuffer(int) error
}

// watchedConn counts what quic-go sends as trains, and with a mark of ECN.
type watchedConn struct {
	quicConn
	trains, marks atomic.Int64
}

func (c *watchedConn) WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error) {
	for item, rest, ok := sys.NextCmsg(oob); ok; item, rest, ok = sys.NextCmsg(rest) {
		switch {
		case item.Level == unix.SOL_UDP && item.Type == unix.UDP_SEGMENT && len(b) > int(binary.NativeEndian.Uint16(item.Data)):
			c.trains.Add(1)
		case item.Level == unix.SOL_IP && item.Type == unix.IP_TOS && item.Data[0]&3 != 0:
			c.marks.Add(1)
		}
	}
	return c.quicConn.WriteMsgUDP(b, oob, addr)
}

// quic-go takes this package's PacketConn for as much as package net's: it
// sends trains and marks over it.
func TestQUICOffloads(t *testing.T) {
	serverConfig, clientConfig := testTLS(t)
	from, ok := udp.bound(t).PacketConn().(quicConn)
	if !ok {
		t.Fatal("a PacketConn lacks what quic-go looks for")
	}
	watched := &watchedConn{quicConn: from}
	to := udp.bound(t).PacketConn()
	server, client := &quic.Transport{Conn: to}, &quic.Transport{Conn: watched}
	l, err := server.Listen(serverConfig, nil)
	check(t, err)
	const size = 4 << 20
	received := start2(func() error {
		c, err := l.Accept(t.Context())
		if err != nil {
			return err
		}
		s, err := c.AcceptUniStream(t.Context())
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, s)
		if err == nil && n != size {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
	c, err := client.Dial(t.Context(), to.LocalAddr(), clientConfig, nil)
	check(t, err)
	s, err := c.OpenUniStreamSync(t.Context())
	check(t, err)
	_, err = s.Write(make([]byte, size))
	check(t, err)
	check(t, s.Close())
	check(t, <-received)
	if watched.trains.Load() == 0 || watched.marks.Load() == 0 {
		t.Errorf("%d trains and %d marked packets left", watched.trains.Load(), watched.marks.Load())
	}
	check(t, c.CloseWithError(0, ""))
	check(t, client.Close())
	check(t, server.Close())
	check(t, from.Close())
	check(t, to.Close())
}
