package sys

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Batch is the argument of Sendmmsg and Recvmmsg: messages, and the memory
// in which the system wants their headers side by side.
type Batch struct {
	Msgs []Msg

	headers []mmsghdr
}

// mmsghdr is that of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// Grow makes room for n messages.
func (b *Batch) Grow(n int) {
	if n > len(b.Msgs) {
		b.Msgs = append(b.Msgs, make([]Msg, n-len(b.Msgs))...)
		b.headers = make([]mmsghdr, n)
	}
}

// Clear lets go of the memory of the first n messages.
func (b *Batch) Clear(n int) {
	for i := range n {
		b.Msgs[i].ClearBuffers()
		b.Msgs[i].Control = nil
	}
	clear(b.headers[:n])
}

// Len returns the bytes of message i that a call moved.
func (b *Batch) Len(i int) int { return int(b.headers[i].len) }

// Recvmmsg is recvmmsg(2) into the first n messages. It returns how many it
// filled, as Recvmsg does each.
func Recvmmsg(fd int, b *Batch, n, flags int) (int, syscall.Errno) {
	b.prepareToReceive(0, n)
	got, errno := call(false, unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), uintptr(n), uintptr(flags), 0, 0)
	b.received(0, got)
	return got, errno
}

// RawRecvmmsg is Recvmmsg, raw, into the messages from first to before end.
func RawRecvmmsg(fd int, b *Batch, first, end, flags int) (int, syscall.Errno) {
	b.prepareToReceive(first, end)
	got, errno := raw(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[first])), uintptr(end-first), uintptr(flags), 0, 0)
	b.received(first, got)
	return got, errno
}

func (b *Batch) prepareToReceive(first, end int) {
	for i := first; i < end; i++ {
		b.headers[i] = mmsghdr{hdr: *b.Msgs[i].prepare(maxSockaddr)}
	}
}

func (b *Batch) received(first, n int) {
	for i := first; i < first+n; i++ {
		b.Msgs[i].received(&b.headers[i].hdr)
	}
}

// Sendmmsg is sendmmsg(2) with MSG_NOSIGNAL, of the messages from the first
// to before the end. It returns how many left; the errno is that of the first,
// if none did.
func Sendmmsg(fd int, b *Batch, first, end, flags int) (int, syscall.Errno) {
	b.prepareToSend(first, end)
	return call(false, unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[first])), uintptr(end-first), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
}

// RawSendmmsg is Sendmmsg, raw.
func RawSendmmsg(fd int, b *Batch, first, end, flags int) (int, syscall.Errno) {
	b.prepareToSend(first, end)
	return raw(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[first])), uintptr(end-first), uintptr(flags|unix.MSG_NOSIGNAL), 0, 0)
}

func (b *Batch) prepareToSend(first, end int) {
	for i := first; i < end; i++ {
		b.headers[i] = mmsghdr{hdr: *b.Msgs[i].prepare(b.Msgs[i].Name.Len)}
	}
}

// AddPart adds n bytes of the buffers, from byte at on, to what the message
// gathers.
func (m *Msg) AddPart(buffers [][]byte, at, n int) {
	for _, b := range buffers {
		if n == 0 {
			return
		}
		if at >= len(b) {
			at -= len(b)
			continue
		}
		part := b[at:min(at+n, len(b))]
		m.AddBuffer(part)
		n -= len(part)
		at = 0
	}
}

// Options of trains of datagrams, see udp(7).
const (
	UDP_SEGMENT = unix.UDP_SEGMENT // Linux 4.18
	UDP_GRO     = unix.UDP_GRO     // Linux 5.0
)

// AppendSegmentSize appends UDP_SEGMENT: cut what is sent into datagrams of
// that many bytes.
func AppendSegmentSize(control []byte, bytes int) []byte {
	start := len(control)
	control = appendCmsgSpace(control, unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(control[start+unix.CmsgLen(0):], uint16(bytes))
	return control
}

// Release returns the kernel's release, as "6.18.44": uname(2).
func Release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
