package datagrams

import (
	"bytes"
	"syscall"

	"zocalo/internal/sys"
)

// An inbox is the memory into which a loop receives, for all its sockets: slots
// that are taken from the front and all given back at once.
type inbox struct {
	batch   sys.Batch
	memory  []byte
	control []byte
	size    int // bytes of a slot
	used    int // slots that hold what was not sent on yet
}

const (
	mostBatch   = 64 // messages of one system call
	inboxMemory = 4 << 20

	// controlSize has room for what a socket may be made to receive with each
	// message, the segment size among it, and for some descriptors. What does
	// not fit the system closes.
	controlSize = 128
)

func newInbox(maxMessage int) *inbox {
	size := max(maxMessage, inetMessage)
	slots := min(max(inboxMemory/size, 1), mostBatch)
	in := &inbox{size: size, memory: make([]byte, slots*size), control: make([]byte, slots*controlSize)}
	in.batch.Grow(slots)
	for i := range slots {
		in.batch.Msgs[i].SetBuffer(in.slot(i))
	}
	return in
}

func (in *inbox) slots() int { return len(in.batch.Msgs) }

func (in *inbox) slot(i int) []byte { return in.memory[i*in.size : (i+1)*in.size : (i+1)*in.size] }

// recvmmsg is a variable for the tests of failures.
var recvmmsg = sys.RawRecvmmsg

// receive fills at most so many slots after those that are used, and returns
// how many. It does not wait.
func (in *inbox) receive(fd, most int) (int, syscall.Errno) {
	end := min(in.used+most, in.slots())
	for i := in.used; i < end; i++ {
		in.batch.Msgs[i].Control = in.control[i*controlSize : (i+1)*controlSize : (i+1)*controlSize]
	}
	return recvmmsg(fd, &in.batch, in.used, end, sys.DontWait|sys.Trunc|sys.FilesCloseOnExec)
}

// A parcel is what one slot holds. It is looked at once, since descriptors that
// came with it are closed then.
type parcel struct {
	data     []byte
	size     int    // its true length, more than data where it did not fit
	segment  int    // of a train; 0 is none
	local    []byte // the address to answer from, if the socket has several; good until the slot is filled again
	link     int    // the interface to answer by, where the address does not say; else 0
	overflow uint32 // messages that the system has dropped so far
	ends     bool   // no data and nothing beside it: the end of a connection, where there is one
	files    bool   // descriptors came with it, and are closed
}

func (in *inbox) parcel(i int) (p parcel) {
	m := &in.batch.Msgs[i]
	p.size = in.batch.Len(i)
	p.data = in.memory[i*in.size : i*in.size+min(p.size, in.size)]
	p.ends = p.size == 0 && len(m.Control) == 0
	p.files = m.Flags&sys.ControlTruncated != 0 // of a unix socket
	for c, rest, ok := sys.NextCmsg(m.Control); ok; c, rest, ok = sys.NextCmsg(rest) {
		switch sys.What(c) {
		case sys.SegmentItem:
			if n, ok := sys.CmsgInt(c); ok && n > 0 && n < p.size {
				p.segment = n
			}
		case sys.FilesItem:
			p.files = true
			for _, fd := range sys.Files(c) {
				sys.Close(fd)
			}
		case sys.PIDFDItem:
			if fd, ok := sys.CmsgInt(c); ok && fd >= 0 {
				sys.Close(fd)
			}
		case sys.PacketInfoItem:
			var link int
			var asked []byte
			link, p.local, asked, _ = sys.PacketInfo(c)
			p.link = 0 // of an IPv6 item before it
			if !bytes.Equal(p.local, asked) || len(p.local) == 4 && p.local[0] == 169 && p.local[1] == 254 {
				p.link = link
			}
		case sys.PacketInfo6Item:
			// For a message to a group it is the group, which nobody answers
			// from.
			link, address, _ := sys.PacketInfo6(c)
			switch {
			case len(address) < 16:
			case address[0] == 0xff:
				p.link = link
			default:
				p.local = address
				if address[0] == 0xfe && address[1]&0xc0 == 0x80 {
					p.link = link
				}
			}
		case sys.DroppedItem:
			n, _ := sys.CmsgInt(c)
			p.overflow = uint32(n)
		}
	}
	return p
}

// sender returns the bytes of the name of whoever sent what a slot holds, good
// until it is filled again.
func (in *inbox) sender(i int) []byte {
	a := &in.batch.Msgs[i].Name
	return a.Buf[:min(int(a.Len), len(a.Buf))]
}
