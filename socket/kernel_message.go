package socket

import (
	"context"
	"io"
	"syscall"

	"zocalo/internal/sys"
)

// receivingMessage is the attempt of recvmsg(2).
type receivingMessage struct {
	*receiving
	msg     sys.Msg
	flags   int
	n       int
	control []byte // memory for ancillary data, kept
	buffers [1][]byte
}

func (r *receivingMessage) try(fd int) (errno syscall.Errno) {
	r.msg.Control = r.control
	r.n, errno = sys.Recvmsg(fd, &r.msg, r.flags)
	for errno == syscall.EAGAIN && r.stoppedByMark(fd) {
		r.n, errno = sys.Recvmsg(fd, &r.msg, r.flags)
	}
	if errno != 0 {
		r.msg.Control, r.msg.Flags, r.msg.Name.Len = nil, 0, 0 // of the message before
	}
	return r.orEnd(errno)
}

// controlSpace is enough ancillary data for all that this package knows,
// apart from descriptors.
const controlSpace = 512

// maxFiles is the most descriptors that go with a message on Linux: SCM_MAX_FD.
const maxFiles = 253

// space is how much ancillary data may come with a message.
func (a *Ancillary) space() int {
	return controlSpace + sys.FilesSpace(min(a.WantFiles, maxFiles))
}

// Receive implements Messenger.
func (k *kernel) Receive(m *Message) error {
	m.N, m.Size, m.Peer, m.SegmentSize = 0, 0, Name{}, 0
	m.Ancillary.empty()
	if err := k.begin(context.Background(), &k.read); err != nil {
		return err
	}
	err := k.receive(m)
	k.end(&k.read)
	return err
}

// readMessage is Read where recv(2) would not tell enough.
func (k *kernel) readMessage(b []byte) (int, error) {
	r := k.receiving.messages()
	r.buffers[0] = b
	errno, err := k.recvmsg(r.buffers[:], 0, controlSpace)
	r.buffers[0] = nil
	if err != nil || errno != 0 {
		return 0, firstError(err, "read", errno)
	}
	closeFiles(r.msg.Control)
	switch {
	case r.n > len(b) || r.msg.Flags&sys.DataTruncated != 0:
		return len(b), ErrTruncated
	case r.n == 0 && k.atEnd(r):
		return 0, io.EOF
	}
	return r.n, nil
}

func firstError(err error, call string, errno syscall.Errno) error {
	if err != nil {
		return err
	}
	return sys.Error(call, errno)
}

// recvmsg waits for a message, with room for its ancillary data.
func (k *kernel) recvmsg(buffers [][]byte, flags, space int) (syscall.Errno, error) {
	r := k.receiving.messages()
	if len(r.control) < space {
		r.control = make([]byte, space)
	}
	if k.tooMany(buffers) {
		return syscall.EMSGSIZE, nil
	}
	r.msg.SetBuffers(buffers)
	r.flags = flags | k.receiveFlags()
	if k.receiving.bounded {
		r.flags |= sys.Trunc
	}
	errno, err := k.do(&k.read, r)
	r.msg.ClearBuffers()
	return errno, err
}

// receiveFlags are those of every receive that takes ancillary data. Packet
// sockets refuse a flag for descriptors, which only unix sockets have.
func (k *kernel) receiveFlags() int {
	if k.kind.Domain == Unix {
		return sys.DontWait | sys.FilesCloseOnExec
	}
	return sys.DontWait
}

// tooMany reports whether one call cannot take a message in so many parts.
func (k *kernel) tooMany(buffers [][]byte) bool {
	return len(buffers) > sys.MaxBuffers && k.kind.Type.Bounded()
}

func (k *kernel) receive(m *Message) error {
	flags := 0
	if m.Flags&Peek != 0 {
		flags |= sys.Peek
	}
	if m.length() == 0 && !k.receiving.bounded {
		m.Flags = 0
		return nil
	}
	errno, err := k.recvmsg(m.Buffers, flags, m.Ancillary.space())
	if err != nil || errno != 0 {
		return firstError(err, "recvmsg", errno)
	}
	r := k.receiving.message
	err = m.received(r.n, &r.msg)
	if r.n == 0 && k.atEnd(r) {
		return k.endOf("recvmsg")
	}
	return err
}

// received fills in a message of n bytes that the system has put into its
// buffers.
func (m *Message) received(n int, msg *sys.Msg) error {
	m.Size, m.N = n, min(n, m.length())
	m.Peer.setSockaddr(&msg.Name)
	m.Flags = messageFlags(msg.Flags)
	if m.Size > m.N {
		m.Flags |= Truncated
	}
	segment, refused := m.Ancillary.parse(msg.Control)
	m.SegmentSize = 0
	if segment > 0 && segment < n {
		m.SegmentSize = segment
	}
	switch {
	case m.Flags&Truncated != 0:
		return ErrTruncated
	case refused, m.Flags&ControlTruncated != 0 && m.Ancillary.WantFiles > len(m.Ancillary.Files):
		return ErrDescriptorsRefused // by us, or by a full table of descriptors
	}
	return nil
}

// atEnd reports whether a receive of no bytes was the end of the connection
// rather than an empty message.
func (k *kernel) atEnd(r *receivingMessage) bool {
	switch {
	case !k.receiving.bounded, r.atEnd:
		return true
	case k.receiving.tellsEnd:
		return len(r.msg.Control) == 0
	}
	return false
}

func messageFlags(flags int) MessageFlags {
	var f MessageFlags
	if flags&sys.EndOfRecord != 0 {
		f |= EndOfRecord
	}
	if flags&sys.DataTruncated != 0 {
		f |= Truncated
	}
	if flags&sys.ControlTruncated != 0 {
		f |= ControlTruncated
	}
	return f
}

func (r *receiving) messages() *receivingMessage {
	if r.message == nil {
		r.message = &receivingMessage{receiving: r}
	}
	return r.message
}

// sendingMessage is the attempt of sendmsg(2).
type sendingMessage struct {
	msg     sys.Msg
	flags   int
	n       int
	control []byte // memory for ancillary data, kept
}

func (s *sendingMessage) try(fd int) (errno syscall.Errno) {
	s.n, errno = sys.Sendmsg(fd, &s.msg, s.flags)
	return errno
}

// Send implements Messenger.
func (k *kernel) Send(m *Message) (int, error) {
	if m.SegmentSize > 0 {
		return 0, &UnsupportedError{Feature: "cutting a message into datagrams on a " + k.kind.String() + " socket", Needs: "udp, on Linux"}
	}
	if k.tooMany(m.Buffers) {
		return 0, sys.Error("sendmsg", syscall.EMSGSIZE)
	}
	if err := k.refuseAncillary(m); err != nil {
		return 0, err
	}
	if err := k.begin(context.Background(), &k.write); err != nil {
		return 0, err
	}
	s := k.sending.messages()
	n, err := 0, error(nil)
	s.msg.Name.Len = 0
	if !m.Peer.IsZero() {
		err = k.sockaddr(&m.Peer, &s.msg.Name)
	}
	if err == nil {
		s.control, err = k.appendControl(s.control[:0], &m.Ancillary)
	}
	if err == nil {
		s.msg.Control = s.control
		s.msg.SetBuffers(m.Buffers)
		s.flags = sendFlags(m.Flags)
		var numbered *Message
		if m.Flags&ZeroCopy != 0 {
			if m.ZeroCopies = (ZeroCopies{}); k.numbersZeroCopies() {
				numbered = m
			}
		}
		n, err = k.sendmsg("sendmsg", numbered)
	}
	s.msg.ClearBuffers()
	k.end(&k.write)
	return n, err
}

func (s *sending) messages() *sendingMessage {
	if s.message == nil {
		s.message = new(sendingMessage)
	}
	return s.message
}

func sendFlags(f MessageFlags) int {
	flags := 0
	if f&EndOfRecord != 0 {
		flags |= sys.EndOfRecord
	}
	if f&DontRoute != 0 {
		flags |= sys.DontRoute
	}
	if f&More != 0 {
		flags |= sys.More
	}
	if f&ZeroCopy != 0 {
		flags |= sys.ZeroCopy
	}
	return flags
}

// numbersZeroCopies reports whether sends with the flag ZeroCopy have
// completions: the system ignores the flag while the option is not set.
func (k *kernel) numbersZeroCopies() bool {
	on, errno := sys.GetInt(k.fd, sys.SOL_SOCKET, sys.SO_ZEROCOPY)
	return errno == 0 && on != 0
}

// number gives m the number of the completion that is to come for one call of
// the system, which every such call that sends something has.
func (s *sending) number(m *Message) {
	m.ZeroCopies.add(s.zeroCopies)
	s.zeroCopies++
}

// sendmsg sends what is in sending.message, all of it. The completions of its
// calls are those of m, if it is not nil. The caller holds the direction's
// turn.
func (k *kernel) sendmsg(call string, m *Message) (int, error) {
	s := k.sending.message
	s.flags |= sys.DontWait
	if s.msg.Empty() {
		if err := k.refuseEmpty(); err != nil {
			return 0, err
		}
	}
	sent := 0
	for wait := firstBackoff; ; {
		var errno syscall.Errno
		var err error
		if k.sendsToAnyone() && s.msg.Name.Len > 0 {
			// Such a socket is always writable for the poller, however full
			// the receiver's queue: only time helps.
			if errno = s.try(k.fd); errno == syscall.EAGAIN {
				if err = k.pause(context.Background(), &k.write, wait); err != nil {
					return sent, err
				}
				wait = min(2*wait, lastBackoff)
				continue
			}
		} else {
			errno, err = k.do(&k.write, s)
		}
		if err != nil || errno != 0 {
			return sent, firstError(err, call, errno)
		}
		if m != nil && s.n > 0 {
			k.sending.number(m)
		}
		sent += s.n
		s.msg.Advance(s.n)
		if k.kind.Type.Bounded() || s.msg.Empty() {
			return sent, nil
		}
		s.msg.Control = nil // it went with the first part
	}
}

// refuseEmpty refuses a message of no bytes where the system would take it
// and not send it.
func (k *kernel) refuseEmpty() error {
	if k.kind.Domain == VSock && k.kind.Type == SeqPacket {
		return &UnsupportedError{Feature: "an empty message on a vsock-seqpacket socket", Needs: "at least one byte"}
	}
	return nil
}

// sendsToAnyone reports whether the kind is unix datagram, whose unconnected
// senders the poller cannot help.
func (k *kernel) sendsToAnyone() bool { return k.kind.Domain == Unix && k.kind.Type == Datagram }

// Writev implements VectorWriter.
func (k *kernel) Writev(buffers [][]byte) (int64, error) {
	if k.tooMany(buffers) {
		return 0, sys.Error("writev", syscall.EMSGSIZE)
	}
	if err := k.begin(context.Background(), &k.write); err != nil {
		return 0, err
	}
	s := k.sending.messages()
	s.msg.Name.Len, s.msg.Control = 0, nil
	s.msg.SetBuffers(buffers)
	s.flags = 0
	n, err := 0, error(nil)
	if !s.msg.Empty() || k.kind.Type.Bounded() {
		n, err = k.sendmsg("writev", nil)
	}
	s.msg.ClearBuffers()
	k.end(&k.write)
	return int64(n), err
}
