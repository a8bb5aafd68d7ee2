package iso

import (
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"zocalo/socket"
)

// The ancillary data of these domains: a [socket.Control] of level
// ControlLevel, under the numbers of 4.4BSD (SOL_TRANSPORT, TPOPT_CONN_DATA,
// TPOPT_DISC_DATA, TPOPT_CFRM_DATA). A message that is sent with one has no
// data of its own. RFC 1006 has user data for tests; little of the field's gear
// takes any, so none is sent unless asked for.
//
//   - ConnectData, sent before Connect, goes with the connection request: at
//     most 32 bytes. The listener's side receives it with the first message.
//   - ConfirmData, sent on a listener, goes with the answer to each
//     connection request from then on: at most 32 bytes. The client receives
//     it with the first message.
//   - DisconnectData, sent on a connection, ends it by a DR that carries it: at
//     most 64 bytes. Only Close may follow. The peer receives it with io.EOF.
//
// [UserData] is the other way to see the first two, without a message.
const (
	ControlLevel   = 0xfffe
	ConnectData    = 0x400
	DisconnectData = 0x500
	ConfirmData    = 0x600
)

// UserData returns what the peer sent along when the connection was made: a
// client's ConnectData, or a listener's ConfirmData. nil where there was none.
func UserData(e socket.Endpoint) []byte {
	c, ok := socket.As[*connection](e)
	if !ok {
		return nil
	}
	if data := c.data.Load(); data != nil {
		return slices.Clone(*data)
	}
	return nil
}

// greeting is what addControl tells once.
type greeting struct {
	data []byte
	code int
}

func (e *connection) greet(data []byte, code int) {
	if len(data) == 0 {
		return
	}
	kept := slices.Clone(data)
	e.data.Store(&kept)
	e.greeting = greeting{kept, code}
}

// addControl adds what is to be told to a message that was received, or to
// the end.
func (e *connection) addControl(m *socket.Message, err error) {
	c := socket.Control{Level: ControlLevel}
	switch {
	case err == nil && e.greeting.data != nil:
		c.Type, c.Data = e.greeting.code, e.greeting.data
		e.greeting = greeting{}
	case err == io.EOF && e.disconnect != nil:
		c.Type, c.Data = DisconnectData, e.disconnect
	default:
		return
	}
	m.Ancillary.Control = append(m.Ancillary.Control[:0], c)
	m.Ancillary.Present |= socket.HasControl
}

// sendControl does what the ancillary data of a message asks for.
func (e *connection) sendControl(m *socket.Message, has socket.AncillarySet) (int, error) {
	if has != socket.HasControl {
		return 0, &socket.UnsupportedError{Feature: "descriptors, credentials or a time beside a message of domain iso", Needs: "a unix socket"}
	}
	if len(m.Ancillary.Control) != 1 || m.Ancillary.Control[0].Level != ControlLevel || total(m.Buffers) > 0 {
		return 0, fmt.Errorf("user data goes alone, as one Control of level %#x, without other data: %w", ControlLevel, syscall.EINVAL)
	}
	c := m.Ancillary.Control[0]
	most := largestUserData
	if c.Type == DisconnectData {
		most = largestDRData
	}
	if len(c.Data) == 0 || len(c.Data) > most {
		return 0, fmt.Errorf("user data of %d bytes: it may have 1 to %d: %w", len(c.Data), most, syscall.EMSGSIZE)
	}
	switch c.Type {
	case ConnectData, ConfirmData:
		return 0, e.configure(func(f *config) { f.userData = slices.Clone(c.Data) })
	case DisconnectData:
		return 0, e.disconnectWith(c.Data)
	}
	return 0, fmt.Errorf("a Control of type %#x: %w", c.Type, os.NewSyscallError("sendmsg", syscall.EINVAL))
}

// disconnectWith sends a DR, after which nothing may be sent.
func (e *connection) disconnectWith(data []byte) error {
	if err := e.startWriting(); err != nil {
		return err
	}
	t := tpdu{code: codeDR, dst: e.remoteRef, src: e.localRef, cause: byte(Normal), data: data}
	packet := t.packet()
	traced(traceOut, e.tcp, &t, len(packet)-tpktHeader)
	e.ended = true
	return e.sendPacket(packet)
}
