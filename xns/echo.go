package xns

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// The operations of the Echo protocol (XSIS 028112).
const (
	echoRequest = 1
	echoReply   = 2
)

// echo answers an Echo request.
func (h *Host) echo(hdr *Header, data []byte) {
	if len(data) < 2 || binary.BigEndian.Uint16(data) != echoRequest || hdr.From.Host.isGroup() || hdr.From.Host.IsZero() {
		return
	}
	reply := [2]byte{0, echoReply}
	out := Header{Type: TypeEcho, To: hdr.From, From: h.local(SocketEcho), Unchecked: hdr.Unchecked}
	h.sendData(out, [][]byte{reply[:], data[2:]}, HostID{})
}

// Echo sends data to a host's Echo socket, waits for the same to come back,
// and returns how long that took. Socket 0 is the usual one. It asks once, and
// waits until ctx ends, at most a minute.
func (h *Host) Echo(ctx context.Context, to Addr, data []byte) (time.Duration, error) {
	if to.Socket == 0 {
		to.Socket = SocketEcho
	}
	request := binary.BigEndian.AppendUint64([]byte{0, echoRequest}, rand.Uint64())
	request = append(request, data...)
	q := question{host: h, to: to, kind: TypeEcho, data: request, tries: 1, every: mostTimeout}
	start := time.Now()
	var took time.Duration
	err := q.ask(ctx, func(_ Addr, reply []byte) bool {
		if len(reply) < 2 || reply[1] != echoReply || !bytes.Equal(reply[2:], request[2:]) {
			return false
		}
		took = time.Since(start)
		return true
	})
	return took, err
}
