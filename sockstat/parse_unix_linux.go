package sockstat

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"zocalo/socket"
)

// Attributes of unix_diag (include/uapi/linux/unix_diag.h) and the bits that
// ask for them.
const (
	unixName     = 0
	unixPeer     = 2
	unixQueues   = 4
	unixMemory   = 5
	unixShutdown = 6
	unixUID      = 7

	unixShowName   = 1
	unixShowPeer   = 4
	unixShowQueues = 0x10
	unixShowMemory = 0x20
	unixShowUID    = 0x40

	unixMessage = 16 // size of struct unix_diag_msg
)

// unixRequest makes a struct unix_diag_req.
func unixRequest(states, show uint32) []byte {
	b := make([]byte, 24)
	b[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(b[4:], states)
	binary.NativeEndian.PutUint32(b[12:], show)
	return b
}

// unix reads a struct unix_diag_msg and its attributes.
func (p *parser) unix(b []byte, s *Socket) error {
	s.reset()
	if len(b) < unixMessage || b[0] != unix.AF_UNIX {
		return errCut
	}
	s.Kind, s.Type, s.State = Unix, socket.Type(b[1]), State(b[2])
	s.Inode = binary.NativeEndian.Uint32(b[4:])
	s.Cookie = cookie(b[8:])
	return attributes(b[unixMessage:], func(a attribute) {
		switch a.kind {
		case unixName:
			p.unixName(a.value, &s.Local)
		case unixPeer:
			s.PeerInode = a.u32()
		case unixQueues:
			r := reader(a.value)
			s.RecvQ, s.SendQ = r.u32(0), r.u32(4)
		case unixMemory:
			parseMemory(a.value, &p.memory)
			s.Memory = &p.memory
		case unixShutdown:
			s.Shutdown = a.u8() & 3
		case unixUID:
			s.UID, s.HasUID = a.u32(), true
		}
	})
}

// unixName reads a name as the kernel keeps it: a path ends with a NUL, an
// abstract name begins with one and may hold more.
func (p *parser) unixName(b []byte, n *Name) {
	if len(b) > 0 && b[0] == 0 {
		n.Path, n.Abstract = p.names.get(b[1:]), true
		return
	}
	n.Path = p.names.get(cString(b))
}

// Attributes of packet_diag (include/uapi/linux/packet_diag.h).
const (
	packetInfo   = 0
	packetUID    = 5
	packetMemory = 6

	packetShowInfo   = 1
	packetShowMemory = 0x10

	packetMessage = 16 // size of struct packet_diag_msg
)

// packetRequest makes a struct packet_diag_req.
func packetRequest() []byte {
	b := make([]byte, 20)
	b[0] = unix.AF_PACKET
	// The receive queue is known from the memory alone.
	binary.NativeEndian.PutUint32(b[8:], packetShowInfo|packetShowMemory)
	return b
}

// packet reads a struct packet_diag_msg and its attributes.
func (p *parser) packet(b []byte, details Details, s *Socket) error {
	s.reset()
	if len(b) < packetMessage || b[0] != unix.AF_PACKET {
		return errCut
	}
	s.Kind, s.Type, s.State = Packet, packetType(b[1]), Unconnected
	s.Protocol = binary.NativeEndian.Uint16(b[2:])
	s.Inode = binary.NativeEndian.Uint32(b[4:])
	s.Cookie = cookie(b[8:])
	return attributes(b[packetMessage:], func(a attribute) {
		switch a.kind {
		case packetInfo:
			s.ifindex = reader(a.value).u32(0)
		case packetUID:
			s.UID, s.HasUID = a.u32(), true
		case packetMemory:
			parseMemory(a.value, &p.memory)
			s.RecvQ = p.memory.Receive
			if details&Memories != 0 {
				s.Memory = &p.memory
			}
		}
	})
}

// packetType tells the two types of packet sockets, and SOCK_PACKET of old, which acts as raw.
func packetType(t byte) socket.Type {
	if t == unix.SOCK_DGRAM {
		return socket.Datagram
	}
	return socket.Raw
}

const vsockMessage = 32 // size of struct vsock_diag_msg

// vsockRequest makes a struct vsock_diag_req (include/uapi/linux/vm_sockets_diag.h).
func vsockRequest(states uint32) []byte {
	b := make([]byte, 24)
	b[0] = unix.AF_VSOCK
	binary.NativeEndian.PutUint32(b[4:], states)
	return b
}

// vsock reads a struct vsock_diag_msg.
func (p *parser) vsock(b []byte, s *Socket) error {
	s.reset()
	if len(b) < vsockMessage || b[0] != unix.AF_VSOCK {
		return errCut
	}
	s.Kind, s.Type, s.State, s.Shutdown = Vsock, socket.Type(b[1]), State(b[2]), b[3]&3
	r := reader(b)
	s.Local = Name{CID: r.u32(4), Port: r.u32(8)}
	s.Peer = Name{CID: r.u32(12), Port: r.u32(16)}
	s.Inode = r.u32(20)
	s.Cookie = cookie(b[24:])
	return nil
}
