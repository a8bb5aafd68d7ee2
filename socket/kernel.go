package socket

import (
	"context"
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

	name    atomic.Pointer[Name] // while it cannot change any more
	peer    atomic.Pointer[Name]
	readEnd atomic.Bool // Shutdown(Read) was called

	receiving receiving // of the direction read
	sending   sending   // of the direction write
	urging    urging    // of the direction urgent
}

// connKernel is a kind that is connected: it has a queue to accept from, and
// a connection to reset.
type connKernel struct{ kernel }

// streamKernel is a kind without boundaries, which the system can move octets
// to and from.
type streamKernel struct{ connKernel }

// urgentKernel is a stream with urgent data.
type urgentKernel struct{ streamKernel }

// newKernel makes the endpoint of a descriptor, which it then owns.
func newKernel(fd int, k Kind, shared bool) (Endpoint, *kernel) {
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
	default:
		base = &kernel{}
		e = base
	}
	base.kind = k
	base.init(fd, shared)
	base.receiving.bounded = k.Type.Bounded()
	base.receiving.tellsEnd = k.Type == SeqPacket
	return e, base
}

// prepareFD sets what the endpoint of a new descriptor needs from the system.
func (k *kernel) prepareFD() error {
	if k.kind.Domain == Unix && k.kind.Type == SeqPacket {
		// An empty message looks like the end of the connection, but for the
		// ancillary data that only messages have.
		return syscallError("setsockopt", sys.SetTimestamps(k.fd))
	}
	return nil
}

// openKernel is socket(2).
func openKernel(k Kind) (Endpoint, error) {
	fd, errno := sys.Socket(int(k.Domain), int(k.Type), int(k.Protocol))
	if errno != 0 {
		return nil, syscallError("socket", errno)
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
		return nil, nil, syscallError("socketpair", errno)
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
	if err := n.sockaddr(&a); err != nil {
		return err
	}
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	return syscallError("bind", sys.Bind(k.fd, &a))
}

func (k *kernel) SetReadDeadline(t time.Time) error {
	if err := k.setDeadline(&k.read, t); err != nil {
		return err
	}
	return k.setDeadline(&k.urgent, t)
}

func (k *kernel) SetWriteDeadline(t time.Time) error { return k.setDeadline(&k.write, t) }

// Name asks the system, until the name cannot change any more.
func (k *kernel) Name() Name {
	return k.cachedName(&k.name, sys.Getsockname, k.peer.Load() != nil)
}

func (k *kernel) Peer() Name { return k.cachedName(&k.peer, sys.Getpeername, true) }

func (k *kernel) cachedName(cache *atomic.Pointer[Name], ask func(int, *sys.Sockaddr) syscall.Errno, final bool) Name {
	if p := cache.Load(); p != nil {
		return *p
	}
	if k.enter() != nil {
		return Name{}
	}
	defer k.leave()
	var a sys.Sockaddr
	if ask(k.fd, &a) != 0 {
		return Name{}
	}
	var n Name
	n.setSockaddr(&a)
	if final && k.kind.Type != Datagram && k.kind.Type != Raw {
		cache.Store(&n)
	}
	return n
}

func (k *kernel) Close() error {
	if !k.closed() {
		k.Name() // so that errors can still tell it
	}
	return k.close()
}

func (k *kernel) Shutdown(how How) error {
	if err := k.enter(); err != nil {
		return err
	}
	defer k.leave()
	if how != Write {
		k.readEnd.Store(true)
	}
	return syscallError("shutdown", sys.Shutdown(k.fd, int(how)))
}

// FD implements Descriptor.
func (k *kernel) FD() int {
	if k.closed() {
		return -1
	}
	return k.fd
}

func (k *kernel) SyscallConn() (syscall.RawConn, error) { return rawConn{&k.descriptor}, nil }
func (k *kernel) Detach() (int, error)                  { return k.detach() }
func (k *kernel) File() (*os.File, error)               { return k.duplicate(k.kind.String()) }

// duplicate returns a duplicate of the descriptor as a file.
func (d *descriptor) duplicate(name string) (*os.File, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer d.leave()
	fd, errno := sys.Dup(d.fd)
	if errno != 0 {
		return nil, syscallError("dup", errno)
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
	return syscallError("listen", sys.Listen(k.fd, backlog))
}

// maxBacklog is a backlog that the system lowers to the most it allows.
const maxBacklog = 1<<31 - 1

// accepting is the attempt of accept(2). It lives in receiving: a socket that
// accepts does not read.
type accepting struct {
	fd   int
	peer sys.Sockaddr
}

func (a *accepting) try(fd int) (errno syscall.Errno) {
	a.fd, errno = sys.Accept(fd, &a.peer)
	return errno
}

// Accept implements Acceptor.
func (k *connKernel) Accept(ctx context.Context) (Endpoint, error) {
	if err := k.begin(ctx, &k.read); err != nil {
		return nil, err
	}
	if k.receiving.accepting == nil {
		k.receiving.accepting = &accepting{}
	}
	a := k.receiving.accepting
	errno, err := k.doContext(ctx, &k.read, a)
	fd, peer := a.fd, Name{}
	if err == nil && errno == 0 {
		peer.setSockaddr(&a.peer)
	}
	k.end(&k.read)
	if err != nil {
		return nil, err
	}
	if errno != 0 {
		return nil, syscallError("accept", errno)
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
	if err := k.enter(); err != nil {
		return err
	}
	errno := sys.SetLinger(k.fd, 0)
	k.leave()
	if err := k.Close(); err != nil {
		return err
	}
	if errno != 0 && k.kind.Domain != Unix { // which knows neither linger nor reset
		return syscallError("setsockopt", errno)
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
	if r.tellsEnd {
		n, err = k.readMessage(b)
	} else {
		n, err = k.readOctets(b)
	}
	k.end(&k.read)
	return n, err
}

// readOctets is Read by recv(2), which is cheaper than recvmsg(2).
func (k *kernel) readOctets(b []byte) (int, error) {
	r := &k.receiving
	r.b = b
	errno, err := k.do(&k.read, r)
	n := r.n
	r.b = nil
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, syscallError("read", errno)
	case n > len(b):
		return len(b), ErrTruncated
	case n == 0 && (!r.bounded || k.readEnd.Load()):
		return 0, io.EOF
	}
	return n, nil
}

// receiving is the state of the direction read: an attempt of recv(2).
type receiving struct {
	bounded  bool // keeps message boundaries
	tellsEnd bool // must tell an empty message from the end

	b []byte
	n int

	message   receivingMessage
	accepting *accepting
}

func (r *receiving) try(fd int) (errno syscall.Errno) {
	flags := sys.DontWait
	if r.bounded {
		flags |= sys.Trunc // so that n is the true length
	}
	r.n, errno = sys.Recv(fd, r.b, flags)
	return errno
}

// sending is the state of the direction write: an attempt of send(2).
type sending struct {
	b     []byte
	n     int
	flags int

	message sendingMessage
}

func (s *sending) try(fd int) (errno syscall.Errno) {
	s.n, errno = sys.Send(fd, s.b, s.flags|sys.DontWait)
	return errno
}

func (k *kernel) Write(b []byte) (int, error) {
	if len(b) == 0 && !k.kind.Type.Bounded() {
		return 0, nil
	}
	return k.write1(b, 0)
}

// write1 sends all of b with flags, in as many calls as a stream takes.
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
		errno, err = k.do(&k.write, s)
		if err == nil && errno != 0 {
			err = syscallError("write", errno)
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
