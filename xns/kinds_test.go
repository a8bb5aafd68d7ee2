package xns

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

func TestStream(t *testing.T) {
	mk := listening(inMemory, socket.Stream, nil)
	t.Run("Conn", func(t *testing.T) { nettest.TestConn(t, asConns(connected(mk))) })
	t.Run("Listener", func(t *testing.T) { sockettest.TestListener(t, mk) })
}

func TestSeqPacket(t *testing.T) {
	mk := listening(inMemory, socket.SeqPacket, nil)
	t.Run("Messages", func(t *testing.T) {
		sockettest.TestMessages(t, connected(mk), sockettest.Largest(messagePackets*maxSPPData), sockettest.TooLarge(messagePackets*maxSPPData+1))
	})
	t.Run("Listener", func(t *testing.T) { sockettest.TestListener(t, mk) })
	t.Run("narrow", func(t *testing.T) {
		narrow := listening(inMemory, socket.SeqPacket, func(s *socket.Socket) error { return Window.Set(s, 8) })
		sockettest.TestMessages(t, connected(narrow), sockettest.Largest(messagePackets*maxSPPData))
	})
}

func TestDatagram(t *testing.T) {
	const largest = 1400 // what the tests send is more than a datagram has by default
	pair := func() (a, b *socket.Socket, stop func(), err error) {
		h := inMemory()
		var errs [2]error
		a, errs[0] = h.a.Socket(socket.Datagram)
		b, errs[1] = h.b.Socket(socket.Datagram)
		err = errors.Join(errs[0], errs[1], MTU.Set(a, largest), MTU.Set(b, largest), a.Bind(socket.Name{}), b.Bind(socket.Name{}))
		if err == nil {
			err = errors.Join(a.Connect(context.Background(), b.Name()), b.Connect(context.Background(), a.Name()))
		}
		return a, b, func() { a.Close(); b.Close(); h.close() }, err
	}
	sockettest.TestMessages(t, pair, sockettest.Largest(largest), sockettest.TooLarge(largest+1))
}
