package xns

import (
	"encoding/binary"
	"syscall"
	"time"
)

// The numbers of the Error protocol (XSIS 028112), with those that Pilot and
// its emulators add.
const (
	errUnspecified   = 0
	errBadChecksum   = 1
	errNoSocket      = 2
	errResourceLimit = 3
	errReject        = 4
	errInvalidType   = 5
	errProtocol      = 6

	errTransit      = 0x200 // this and above: on the way, not at the destination
	errUnreachable  = 0x202
	errTooOld       = 0x203
	errTooBig       = 0x204
	errCongestion   = 0x205
	errCongestion2  = 0x206
	errQuoted       = HeaderSize + 12 // bytes of the offending packet that an Error has at least
	errPacketHeader = 4
)

// A fault is an Error packet that was received.
type fault struct {
	number, param uint16
	header        Header // of the packet that it is about
	data          []byte // as much of its data as was quoted
}

// faultErrnos are the errnos of Errors. What is not here is only a hint.
var faultErrnos = map[uint16]syscall.Errno{
	errNoSocket:    syscall.ECONNREFUSED,
	errReject:      syscall.ECONNREFUSED,
	errInvalidType: syscall.EPROTOTYPE,
	errProtocol:    syscall.ECONNRESET,
	errUnreachable: syscall.ENETUNREACH,
	errTooOld:      syscall.EHOSTUNREACH,
	errTooBig:      syscall.EMSGSIZE,
}

// errorInput gives an Error to the socket that caused it. Some hosts send an
// Error to that socket, others to socket 3; so the packet that it quotes says
// which one it was.
func (h *Host) errorInput(data []byte) {
	if len(data) < errPacketHeader+HeaderSize {
		return
	}
	quoted := data[errPacketHeader:]
	e := fault{number: binary.BigEndian.Uint16(data), param: binary.BigEndian.Uint16(data[2:]), data: quoted[HeaderSize:]}
	e.header = Header{Type: quoted[5], To: getAddr(quoted[6:]), From: getAddr(quoted[18:])}
	if e.header.From.Host != h.id {
		return
	}
	h.mu.RLock()
	p := h.ports[e.header.From.Socket]
	h.mu.RUnlock()
	if p != nil {
		p.failed(&e)
	}
}

// sendError answers a packet with an Error: never an Error, never a packet to
// several hosts, never one from nobody in particular, and not too many.
func (h *Host) sendError(hdr *Header, b *buffer, number, param uint16) {
	from := hdr.From
	if hdr.Type == TypeError || hdr.To.Host.isGroup() || from.Host.isGroup() || from.Host.IsZero() || !h.mayError() {
		return
	}
	h.tellError(hdr, b.data[:min(hdr.Length, errQuoted)], number, param, HostID{})
}

// tellError is sendError without a bound, for what no stranger can cause: it quotes
// a packet with that header.
func (h *Host) tellError(hdr *Header, quote []byte, number, param uint16, gateway HostID) {
	var head [errPacketHeader]byte
	binary.BigEndian.PutUint16(head[:], number)
	binary.BigEndian.PutUint16(head[2:], param)
	out := Header{Type: TypeError, To: hdr.From, From: h.local(hdr.To.Socket)}
	h.sendData(out, [][]byte{head[:], quote}, gateway)
}

// mayError counts the Errors sent.
func (h *Host) mayError() bool {
	l := &h.errors
	l.Lock()
	defer l.Unlock()
	now := time.Now()
	if n := int(now.Sub(l.last) * errorRate / time.Second); l.last.IsZero() || n > 0 {
		l.left = min(l.left+n, errorRate)
		l.last = now
	}
	if l.left == 0 {
		return false
	}
	l.left--
	return true
}
