package socket

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// datagramKernel is a kind whose messages can go and come many at a time.
type datagramKernel struct {
	kernel
	gso, gro offload
	joining  atomic.Bool // UDP_GRO is set

	in  batchIn  // of the direction read
	out batchOut // of the direction write
}

// mostBatch is the most messages of one system call. More bring little, and
// the memory of each is kept: some 300 bytes, and controlSpace for those
// that are received.
const mostBatch = 64

func newDatagramKernel(k Kind) (Endpoint, *kernel) {
	if k.Domain == Packet {
		p := &packetKernel{}
		p.prepareOffloads(k)
		return p, &p.kernel
	}
	d := &datagramKernel{}
	d.prepareOffloads(k)
	return d, &d.kernel
}

func (d *datagramKernel) prepareOffloads(k Kind) {
	if !isUDP(k) {
		d.gso.turnOff("a " + k.String() + " socket has none")
		d.gro.turnOff("a " + k.String() + " socket has none")
	}
	d.gso.turnOff(sendRefusal())
	d.gro.turnOff(receiveRefusal())
}

func isUDP(k Kind) bool {
	return (k.Domain == Inet || k.Domain == Inet6) && k.Type == Datagram && (k.Protocol == 0 || k.Protocol == UDP)
}

// Offloads implements Offloader.
func (k *datagramKernel) Offloads() Offloads {
	o := Offloads{k.gso.state(), k.gro.state()}
	if o.Receive.On {
		joins, err := k.GRO()
		switch {
		case err != nil:
			o.Receive = Offload{Reason: err.Error()}
		case !joins:
			o.Receive = Offload{Reason: "the option gro is not set"}
		}
	}
	return o
}

// SetGSO turns the sending of trains off for good, or sees that it is on.
func (k *datagramKernel) SetGSO(on bool) error {
	if !on {
		k.gso.turnOff("the option gso is off")
		return nil
	}
	if state := k.gso.state(); !state.On {
		return &UnsupportedError{Feature: "UDP_SEGMENT: " + state.Reason, Needs: "a socket that sends trains"}
	}
	return nil
}

func (k *datagramKernel) GSO() bool { return k.gso.state().On }

// SetGRO sets UDP_GRO, except where it was switched off.
func (k *datagramKernel) SetGRO(on bool) error {
	if on && !k.gro.state().On && isUDP(k.kind) {
		return nil
	}
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	v := 0
	if on {
		v = 1
	}
	errno := sys.SetInt(k.fd, sys.IPPROTO_UDP, sys.UDP_GRO, v)
	if errno == 0 {
		k.joining.Store(on)
	}
	return sys.Error("sockopt UDP_GRO", errno)
}

// refuseJoined implements joiner.
func (k *datagramKernel) refuseJoined() error {
	if !k.joining.Load() {
		return nil
	}
	return &UnsupportedError{Feature: "reading without the bounds of datagrams that the option gro joined", Needs: "Receive, whose message tells them, or gro=0"}
}

// Read refuses what it could not tell apart.
func (k *datagramKernel) Read(b []byte) (int, error) {
	if err := k.refuseJoined(); err != nil {
		return 0, err
	}
	return k.kernel.Read(b)
}

func (k *datagramKernel) GRO() (bool, error) {
	if err := k.enter(); err != nil {
		return false, err
	}
	defer k.leave()
	n, errno := sys.GetInt(k.fd, sys.IPPROTO_UDP, sys.UDP_GRO)
	k.joining.Store(errno == 0 && n != 0)
	return n != 0, sys.Error("sockopt UDP_GRO", errno)
}

// batchIn is the attempt of recvmmsg(2).
type batchIn struct {
	r       *receiving
	batch   sys.Batch
	control []byte // memory for ancillary data, kept
	space   int    // bytes of it for each message
	flags   int
	n, got  int
}

func (b *batchIn) try(fd int) (errno syscall.Errno) {
	for i := range b.n {
		b.batch.Msgs[i].Control = b.control[i*b.space : (i+1)*b.space : (i+1)*b.space]
	}
	b.got, errno = sys.Recvmmsg(fd, &b.batch, b.n, b.flags|sys.Trunc)
	return b.r.orEnd(errno)
}

// ReceiveBatch implements Batcher.
func (k *datagramKernel) ReceiveBatch(ms []Message) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	if ms[0].Flags&Peek != 0 {
		// Each of a batch would be the same message.
		err := k.Receive(&ms[0])
		if err != nil && err != ErrTruncated && err != ErrDescriptorsRefused {
			return 0, err
		}
		return 1, err
	}
	ms = ms[:min(len(ms), mostBatch)]
	for i := range ms {
		m := &ms[i]
		m.N, m.Size, m.Peer, m.SegmentSize = 0, 0, Name{}, 0
		m.Ancillary.empty()
	}
	if err := k.begin(context.Background(), &k.read); err != nil {
		return 0, err
	}
	defer k.end(&k.read)
	b := &k.in
	if err := b.prepare(ms); err != nil {
		return 0, err
	}
	defer b.batch.Clear(b.n)
	b.r, b.flags = &k.receiving, k.receiveFlags()
	errno, err := k.do(&k.read, b)
	switch {
	case err != nil || errno != 0:
		return 0, firstError(err, "recvmmsg", errno)
	case k.receiving.atEnd:
		return 0, io.EOF
	}
	for i := range b.got {
		if failed := ms[i].received(b.batch.Len(i), &b.batch.Msgs[i]); failed != nil && err == nil {
			err = failed
		}
	}
	return b.got, err
}

func (b *batchIn) prepare(ms []Message) error {
	b.n, b.got, b.space = len(ms), 0, controlSpace
	for i := range ms {
		if len(ms[i].Buffers) > sys.MaxBuffers {
			return sys.Error("recvmmsg", syscall.EMSGSIZE)
		}
		b.space = max(b.space, ms[i].Ancillary.space())
	}
	b.batch.Grow(b.n)
	if len(b.control) < b.n*b.space {
		b.control = make([]byte, b.n*b.space)
	}
	for i := range ms {
		b.batch.Msgs[i].SetBuffers(ms[i].Buffers)
	}
	return nil
}

// A place is how far a batch has come: so many messages, and so many bytes of
// the next, which is a train that is cut here.
type place struct{ message, at int }

// batchOut is the attempt of sendmmsg(2).
type batchOut struct {
	paths  pathLimits
	probed bool // the kernel was asked whether it knows trains

	batch   sys.Batch
	control [mostBatch][]byte // memory for the ancillary data of each header, kept
	segment [mostBatch]int    // of each header that is a train: the size of its segments
	after   [mostBatch]place  // of each header: where the batch is once it has left
	n       int               // headers that are filled
	left    int               // of them, those that have left
	flags   int
}

// sendmmsg is a variable for the tests of refusals.
var sendmmsg = sys.Sendmmsg

func (b *batchOut) try(fd int) syscall.Errno {
	sent, errno := sendmmsg(fd, &b.batch, b.left, b.n, b.flags|sys.DontWait)
	b.left += sent
	return errno
}

func (b *batchOut) clear() {
	b.batch.Clear(b.n)
	b.n, b.left = 0, 0
}

// Connect implements Connector. What is known of the path to the connected
// peer was of the one before.
func (k *datagramKernel) Connect(ctx context.Context, peer Name) error {
	if err := k.kernel.Connect(ctx, peer); err != nil {
		return err
	}
	if k.begin(ctx, &k.write) == nil { // else nothing is sent any more, or it is forgotten in time
		k.out.paths.set(&Name{}, sys.MostTrainBytes, time.Time{})
		k.end(&k.write)
	}
	return nil
}

// SendBatch implements Batcher.
func (k *datagramKernel) SendBatch(ms []Message) (int, error) {
	if k.sendsToAnyone() {
		// Only time tells when a receiver's queue is no longer full.
		for i := range ms {
			if _, err := k.kernel.Send(&ms[i]); err != nil {
				return i, err
			}
		}
		return len(ms), nil
	}
	return k.sendTrains(ms)
}

// Send implements Messenger.
func (k *datagramKernel) Send(m *Message) (int, error) {
	if m.SegmentSize <= 0 || k.sendsToAnyone() {
		return k.kernel.Send(m)
	}
	one := [1]Message{*m}
	_, err := k.sendTrains(one[:])
	m.ZeroCopies = one[0].ZeroCopies
	if err != nil {
		return 0, err
	}
	return m.length(), nil
}

func (k *datagramKernel) sendTrains(ms []Message) (int, error) {
	if err := k.begin(context.Background(), &k.write); err != nil {
		return 0, err
	}
	defer k.end(&k.write)
	b := &k.out
	k.probe()
	numbered := k.beginZeroCopies(ms)
	doubted := 0 // what the path's longest segment was before a train was refused
	for at := (place{}); at.message < len(ms); {
		err := k.fill(ms, at)
		errno := syscall.Errno(0)
		for err == nil && errno == 0 && b.left < b.n {
			errno, err = k.do(&k.write, b)
		}
		left, segment := b.left, 0
		if numbered && b.flags&sys.ZeroCopy != 0 {
			k.numberBatch(ms, at)
		}
		if left > 0 {
			at, doubted = b.after[left-1], 0
		}
		if left < b.n {
			segment = b.segment[left]
		}
		b.clear()
		switch {
		case err != nil:
			return at.message, err
		case errno == 0:
		case segment > 0 && sys.RefusesTrains(errno):
			k.gso.turnOff(fmt.Sprintf("the system refused a train of datagrams: %v", errno))
		case segment > 0 && sys.RefusesSegment(errno):
			peer := &ms[at.message].Peer
			doubted = b.paths.longest(peer, time.Now)
			b.paths.set(peer, segment-1, time.Now())
		default:
			if doubted > 0 {
				b.paths.set(&ms[at.message].Peer, doubted, time.Now()) // it was not the train's length
			}
			return at.message, sys.Error("sendmmsg", errno)
		}
	}
	return len(ms), nil
}

// beginZeroCopies forgets the completions of what was sent before in these
// messages, and reports whether there will be new ones.
func (k *datagramKernel) beginZeroCopies(ms []Message) bool {
	flagged := false
	for i := range ms {
		if ms[i].Flags&ZeroCopy != 0 {
			ms[i].ZeroCopies, flagged = ZeroCopies{}, true
		}
	}
	return flagged && k.numbersZeroCopies()
}

// numberBatch notes the completions that are to come for the headers of the
// batch that have left, the first of which began at from.
func (k *datagramKernel) numberBatch(ms []Message, from place) {
	for i := range k.out.left {
		if m := &ms[from.message]; k.out.batch.Len(i) > 0 {
			k.sending.number(m)
		}
		from = k.out.after[i]
	}
}

// probe asks once whether the kernel knows trains: one that does not would
// send them as single datagrams.
func (k *datagramKernel) probe() {
	if k.out.probed || !k.gso.state().On {
		return
	}
	k.out.probed = true
	if _, errno := sys.GetInt(k.fd, sys.IPPROTO_UDP, sys.UDP_SEGMENT); errno != 0 {
		k.gso.turnOff(fmt.Sprintf("the system knows no UDP_SEGMENT (Linux 4.18 does): %v", errno))
	}
}

// fill makes headers of the messages from a place on, until the batch is full
// or one does not fit into it. An error is that of the first message alone.
func (k *datagramKernel) fill(ms []Message, at place) error {
	b := &k.out
	trains := k.gso.state().On
	first := at.message
	b.flags = sendFlags(ms[first].Flags)
	for at.message < len(ms) && b.n < mostBatch && sendFlags(ms[at.message].Flags) == b.flags {
		next, err := k.addHeader(ms, at, trains)
		if err != nil {
			if b.n > 0 {
				return nil
			}
			return err
		}
		at = next
	}
	return nil
}

// addHeader adds the header of what leaves next, and returns the place after
// it.
func (k *datagramKernel) addHeader(ms []Message, at place, trains bool) (place, error) {
	b := &k.out
	b.batch.Grow(mostBatch)
	longest := 0
	if trains {
		longest = b.paths.longest(&ms[at.message].Peer, time.Now)
	}
	m, msg := &ms[at.message], &b.batch.Msgs[b.n]
	if len(m.Buffers) > sys.MaxBuffers {
		return at, sys.Error("sendmmsg", syscall.EMSGSIZE)
	}
	if err := k.refuseAncillary(m); err != nil {
		return at, err
	}
	msg.Name.Len = 0
	if !m.Peer.IsZero() {
		if err := k.sockaddr(&m.Peer, &msg.Name); err != nil {
			return at, err
		}
	}
	control, err := k.appendControl(b.control[b.n][:0], &m.Ancillary)
	if err != nil {
		return at, err
	}
	segment := 0
	if total := m.length(); m.SegmentSize > 0 && total > m.SegmentSize {
		bytes := min(total-at.at, m.SegmentSize*sys.Segments(m.SegmentSize, longest))
		msg.AddPart(m.Buffers, at.at, bytes)
		if bytes > m.SegmentSize {
			segment = m.SegmentSize
		}
		if at.at += bytes; at.at == total {
			at = place{at.message + 1, 0}
		}
	} else {
		count, size := trainOf(ms[at.message:], longest)
		if count > 1 {
			segment = size
		}
		for range count {
			msg.AddPart(ms[at.message].Buffers, 0, ms[at.message].length())
			at.message++
		}
	}
	if segment > 0 {
		control = sys.AppendSegmentSize(control, segment)
	}
	b.control[b.n], msg.Control = control, control
	b.segment[b.n], b.after[b.n] = segment, at
	b.n++
	return at, nil
}
