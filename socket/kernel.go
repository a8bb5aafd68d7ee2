package socket

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// kernel is the endpoint of every domain that the system implements: a
// descriptor, and what each direction's system calls need, kept here so that
// a call allocates nothing. The types around it add the capabilities that not
// every kind has.
type kernel struct {
	descriptor
	kind Kind

	name atomic.Pointer[Name] // as the system told them last
	peer atomic.Pointer[Name]

	receiving receiving // of the direction read
	sending   sending   // of the direction write
	urging    urging    // of the direction urgent
	failing   failing   // of the direction faults

	keepsFile atomic.Bool // see UnlinkClose
}

// connKernel is a kind that is connected: it has a queue to accept from, and
// a connection to reset.
type connKernel struct{ kernel }

// streamKernel is a kind without boundaries, which the system can move bytes
// to and from.
type streamKernel struct{ connKernel }

// urgentKernel is a stream with urgent data.
type urgentKernel struct{ streamKernel }

// newKernel makes the endpoint of a descriptor, which it then owns.
func newKernel(fd int, k Kind, blocking bool) (Endpoint, *kernel) {
	var e Endpoint
	var base *kernel
	switch {
	case k.Properties().Urgent > 0:
		u := &urgentKernel{}
		e, base = u, &u.kernel
	case k.Type == Stream:
		s := &streamKernel{}
		e, base = s, &s.kernel
	case k.Type == SeqPacket:
		c := &connKernel{}
		e, base = c, &c.kernel
	case k.Type == Datagram, k.Domain == Packet:
		e, base = newDatagramKernel(k)
	default:
		base = &kernel{}
		e = base
	}
	base.kind = k
	base.init(fd, blocking)
	base.receiving.bounded = k.Type.Bounded()
	base.receiving.tellsEnd = k.Type == SeqPacket
	base.receiving.marks = k.Type == Stream && k.Domain != Unix && k.Properties().Urgent > 0
	return e, base
}

// prepareFD sets what the endpoint of a new descriptor needs from the system.
func (k *kernel) prepareFD() error {
	if k.kind.Domain == Unix && k.kind.Type == SeqPacket {
		// An empty message looks like the end of the connection, but for the
		// ancillary data that only messages have.
		return sys.Error("setsockopt", sys.SetTimestamps(k.fd))
	}
	return nil
}

// Domain is for options, which depend on the kernel's socket beneath all layers.
func (k *kernel) Domain() Domain { return k.kind.Domain }

// openKernel is socket(2).
func openKernel(k Kind) (Endpoint, error) {
	fd, errno := sys.Socket(int(k.Domain), int(k.Type), int(k.Protocol))
	if errno != 0 {
		return nil, sys.Error("socket", errno)
	}
	e, base := newKernel(fd, k, false)
	if err := base.prepareFD(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// pairKernel is socketpair(2).
func pairKernel(k Kind) (a, b Endpoint, err error) {
	x, y, errno := sys.Socketpair(int(k.Domain), int(k.Type), int(k.Protocol))
	if errno != 0 {
		return nil, nil, sys.Error("socketpair", errno)
	}
	a, ka := newKernel(x, k, false)
	b, kb := newKernel(y, k, false)
	if err = ka.prepareFD(); err == nil {
		err = kb.prepareFD()
	}
	if err != nil {
		a.Close()
		b.Close()
		return nil, nil, err
	}
	return a, b, nil
}

func (k *kernel) Bind(n Name) error {
	var a sys.Sockaddr
	if err := k.sockaddr(&n, &a); err != nil {
		return err
	}
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	errno := sys.Bind(k.fd, &a)
	k.name.Store(nil) // a unix socket may get one after its connection
	return sys.Error("bind", errno)
}

func (k *kernel) SetReadDeadline(t time.Time) error {
	if err := k.setDeadline(&k.read, t); err != nil {
		return err
	}
	if err := k.setDeadline(&k.faults, t); err != nil {
		return err
	}
	return k.setDeadline(&k.urgent, t)
}

func (k *kernel) SetWriteDeadline(t time.Time) error { return k.setDeadline(&k.write, t) }

// Name asks the system, until the name cannot change any more: once there is
// a connection.
func (k *kernel) Name() Name {
	return k.askName(&k.name, sys.Getsockname, k.peer.Load() != nil)
}

// Peer asks the system for the peer of a connection once.
func (k *kernel) Peer() Name { return k.askName(&k.peer, sys.Getpeername, true) }

// connected reports whether there is a peer, which may have no name.
func (k *kernel) connected() bool {
	if k.peer.Load() != nil {
		return true
	}
	if k.enter() != nil {
		return false
	}
	defer k.leave()
	var a sys.Sockaddr
	return sys.Getpeername(k.fd, &a) == 0
}

func (k *kernel) askName(last *atomic.Pointer[Name], ask func(int, *sys.Sockaddr) syscall.Errno, final bool) Name {
	old, known := last.Load(), Name{}
	if old != nil {
		if known = *old; final && k.kind.Type != Datagram {
			return known
		}
	}
	if k.enter() != nil {
		return known
	}
	defer k.leave()
	var a sys.Sockaddr
	if ask(k.fd, &a) != 0 {
		return Name{}
	}
	var n Name
	n.setSockaddr(&a)
	if old == nil || n != known {
		kept := n
		last.CompareAndSwap(old, &kept)
	}
	return n
}

func (k *kernel) Close() error {
	if k.busy() {
		// The errors of those waiting are to tell the names.
		k.Name()
		k.Peer()
	}
	return k.close()
}

func (k *kernel) Shutdown(how ShutdownHow) error {
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	before := k.receiving.ended.Load()
	if how != ShutdownWrite {
		k.receiving.ended.Store(true) // first, for the reader that shutdown wakes
	}
	errno := sys.Shutdown(k.fd, int(how))
	if errno != 0 {
		k.receiving.ended.Store(before)
	}
	return sys.Error("shutdown", errno)
}

// FD implements Descriptor.
func (k *kernel) FD() int {
	if k.closed() {
		return -1
	}
	return k.fd
}

func (k *kernel) SyscallConn() (syscall.RawConn, error) { return rawConn{&k.descriptor}, nil }

func (k *kernel) Detach() (int, error) { return k.detach() }

func (k *kernel) File() (*os.File, error) { return k.duplicate(k.kind.String()) }

// duplicate returns a duplicate of the descriptor as a file. Both become
// blocking.
func (d *descriptor) duplicate(name string) (*os.File, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	fd, errno := sys.Dup(d.fd)
	if errno != 0 {
		return nil, sys.Error("dup", errno)
	}
	d.blocking.Store(true) // before it is
	if errno := sys.SetNonblock(fd, false); errno != 0 {
		sys.Close(fd)
		return nil, sys.Error("fcntl", errno)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Listen implements Acceptor.
func (k *connKernel) Listen(backlog int) error {
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	if backlog <= 0 {
		backlog = maxBacklog
	}
	return sys.Error("listen", sys.Listen(k.fd, backlog))
}

// maxBacklog is a backlog that the system lowers to the most it allows.
const maxBacklog = 1<<31 - 1

// accepting is the attempt of accept(2). It lives in receiving: a socket that
// accepts does not read.
type accepting struct {
	k    *kernel
	fd   int
	peer sys.Sockaddr
}

func (a *accepting) try(fd int) (errno syscall.Errno) {
	for {
		// A blocking one could still block, if another program that shares it
		// takes the connection first.
		if a.k.blocking.Load() && !sys.Ready(fd, sys.Readable) {
			return syscall.EAGAIN
		}
		a.fd, errno = sys.Accept(fd, &a.peer)
		switch {
		case errno == syscall.ECONNABORTED: // it was gone before it was accepted
			continue
		case errno == syscall.EAGAIN && a.over(fd):
			return syscall.EINVAL // as a call that waits, or TCP, would say
		}
		return errno
	}
}

// over reports whether nothing will ever come: this process, or another that has the
// socket, has shut it down.
func (a *accepting) over(fd int) bool {
	return a.k.receiving.ended.Load() || a.k.kind.Domain == Unix && sys.Ready(fd, sys.Ended)
}

// Accept implements Acceptor.
func (k *connKernel) Accept(ctx context.Context) (Endpoint, error) {
	return k.accept(ctx, func(a *accepting) (syscall.Errno, error) { return k.doContext(ctx, &k.read, a) })
}

// WaitAccept implements AcceptWaiter.
func (k *connKernel) WaitAccept(ctx context.Context) error {
	if err := k.begin(ctx, &k.read); err != nil {
		return err
	}
	errno, err := k.doContext(ctx, &k.read, readable{})
	k.end(&k.read)
	return firstError(err, "poll", errno)
}

// AcceptNow implements AcceptWaiter.
func (k *connKernel) AcceptNow() (Endpoint, error) {
	e, err := k.accept(context.Background(), func(a *accepting) (syscall.Errno, error) { return a.try(k.fd), nil })
	if errors.Is(err, syscall.EAGAIN) {
		return nil, nil
	}
	return e, err
}

func (k *connKernel) accept(ctx context.Context, do func(*accepting) (syscall.Errno, error)) (Endpoint, error) {
	if err := k.begin(ctx, &k.read); err != nil {
		return nil, err
	}
	if k.receiving.accepting == nil {
		k.receiving.accepting = &accepting{k: &k.kernel}
	}
	a := k.receiving.accepting
	errno, err := do(a)
	fd, peer := a.fd, Name{}
	if err == nil && errno == 0 {
		peer.setSockaddr(&a.peer)
	}
	k.end(&k.read)
	if err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, sys.Error("accept", errno)
	}
	e, base := newKernel(fd, k.kind, false)
	base.peer.Store(&peer)
	if err := base.prepareFD(); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Abort implements Aborter: close(2) after SO_LINGER with a time of zero.
func (k *connKernel) Abort() error {
	errLinger := k.resetAtClose()
	if err := k.Close(); err != nil {
		return err
	}
	return errLinger
}

// A resetter can make the close that follows a reset.
type resetter interface{ resetAtClose() error }

func (k *connKernel) resetAtClose() error {
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	if errno := sys.SetLinger(k.fd, 0); k.kind.Domain != Unix { // which knows neither linger nor reset
		return sys.Error("setsockopt", errno)
	}
	return nil
}

func (k *kernel) Read(b []byte) (int, error) {
	r := &k.receiving
	if len(b) == 0 && !r.bounded {
		return 0, nil
	}
	if err := k.begin(context.Background(), &k.read); err != nil {
		return 0, err
	}
	var n int
	var err error
	if r.tellsEnd || r.bounded && sys.Trunc == 0 {
		n, err = k.readMessage(b)
	} else {
		n, err = k.readBytes(b)
	}
	k.end(&k.read)
	return n, err
}

// readBytes is Read by recv(2), which is cheaper than recvmsg(2).
func (k *kernel) readBytes(b []byte) (int, error) {
	r := &k.receiving
	r.b = b
	errno, err := k.do(&k.read, r)
	n := r.n
	b, r.b = r.b, nil
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, sys.Error("read", errno)
	case n > len(b):
		return len(b), ErrTruncated
	case n == 0 && (!r.bounded || r.atEnd):
		return 0, k.endOf("read")
	}
	return n, nil
}

// endOf is what a read of nothing is: the end in order, or the reset of a TCP
// connection of which the system has told another call, as whoever was writing.
func (k *kernel) endOf(call string) error {
	if k.kind.Type == Stream && k.kind.Domain != Unix && sys.WasReset(k.fd) {
		return sys.Error(call, syscall.ECONNRESET)
	}
	return io.EOF
}

// receiving is the state of the direction read: an attempt of recv(2).
type receiving struct {
	bounded  bool        // keeps message boundaries
	tellsEnd bool        // must tell an empty message from the end
	marks    bool        // reads of it stop at an urgent mark
	ended    atomic.Bool // Shutdown(Read) was called

	b     []byte
	n     int
	atEnd bool // nothing more will come to a kind without a connection

	lend     func() []byte // b is lent for each try, if not nil
	giveBack func()

	message   *receivingMessage // made by the first call that needs it
	accepting *accepting
}

func (r *receiving) try(fd int) (errno syscall.Errno) {
	if r.lend != nil {
		return r.tryLent(fd)
	}
	return r.recv(fd)
}

func (r *receiving) recv(fd int) (errno syscall.Errno) {
	flags := sys.DontWait
	if r.bounded {
		flags |= sys.Trunc // so that n is the true length
	}
	r.n, errno = sys.Recv(fd, r.b, flags)
	for errno == syscall.EAGAIN && r.stoppedByMark(fd) {
		r.n, errno = sys.Recv(fd, r.b, flags)
	}
	return r.orEnd(errno)
}

// stoppedByMark reports whether there is input that recv(2) did not give: before an
// urgent mark, Linux returns EAGAIN for any signal that is pending, Go's own among
// them, and the poller has nothing new to tell.
func (r *receiving) stoppedByMark(fd int) bool {
	if !r.marks {
		return false
	}
	at, errno := sys.AtMark(fd)
	return at && errno == 0 && sys.Ready(fd, sys.Readable)
}

// orEnd is errno, except that a kind without a connection does not wait any
// more after Shutdown(Read): recv(2) with MSG_DONTWAIT would never tell.
func (r *receiving) orEnd(errno syscall.Errno) syscall.Errno {
	r.atEnd = errno == syscall.EAGAIN && r.bounded && r.ended.Load()
	if r.atEnd {
		return 0
	}
	return errno
}

// sending is the state of the direction write: an attempt of send(2).
type sending struct {
	b     []byte
	n     int
	flags int

	zeroCopies uint32 // the number of the next completion

	message *sendingMessage // made by the first call that needs it
}

func (s *sending) try(fd int) (errno syscall.Errno) {
	s.n, errno = sys.Send(fd, s.b, s.flags|sys.DontWait)
	return errno
}

func (k *kernel) Write(b []byte) (int, error) {
	if len(b) == 0 {
		if !k.kind.Type.Bounded() {
			return 0, nil
		}
		if err := k.refuseEmpty(); err != nil {
			return 0, err
		}
	}
	return k.write1(b, 0)
}

// write1 sends all of b with flags, in as many calls as a stream takes. Of
// urgent data only the last byte is sent as such: each call makes its own last
// one urgent, and it may take only a part.
func (k *kernel) write1(b []byte, flags int) (int, error) {
	if err := k.begin(context.Background(), &k.write); err != nil {
		return 0, err
	}
	s := &k.sending
	sent := 0
	var err error
	for {
		var errno syscall.Errno
		s.b, s.flags = b[sent:], flags
		if last := len(s.b) - 1; flags == sys.OutOfBand && last > 0 {
			s.b, s.flags = s.b[:last], 0
		}
		errno, err = k.do(&k.write, s)
		if err == nil && errno != 0 {
			err = sys.Error("write", errno)
		}
		if err != nil {
			break
		}
		sent += s.n
		if sent == len(b) || k.kind.Type.Bounded() {
			break
		}
	}
	s.b = nil
	k.end(&k.write)
	return sent, err
}
