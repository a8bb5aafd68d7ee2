package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A Socket is one end of a channel between processes, of any domain: what
// socket(2) makes. It is also a net.Conn.
//
// Its methods may be called from several goroutines at once. Close ends all
// that wait.
type Socket struct {
	endpoint Endpoint
	kind     Kind
	trace    func(Call)
	lastFD   atomic.Int64 // for the trace: still known after Close; -1 before it is
	onClose  atomic.Pointer[func()]

	detaching atomic.Bool // what closed the endpoint may be Detach

	messenger Messenger // of the endpoint, looked up once
}

// New makes a socket without a name, as socket(2) does. Protocol 0 is the one
// that domain and type imply. A domain that no package registered, or a
// combination that it does not have, is an [UnsupportedError].
func New(d Domain, t Type, p Protocol) (*Socket, error) {
	k := Kind{Domain: d, Type: t, Protocol: p}
	f, ok := familyOf(d)
	if !ok {
		return nil, &UnsupportedError{Feature: "domain " + d.String(), Needs: "a package that registers it, imported by the program"}
	}
	if f.New == nil {
		return nil, &UnsupportedError{Feature: "making a socket of domain " + d.String()}
	}
	start := time.Now()
	e, err := f.New(k)
	trace := currentTrace()
	if err != nil {
		if trace != nil {
			trace(Call{Name: "socket", FD: -1, Args: k.Arguments(), Err: err, Start: start, Took: time.Since(start)})
		}
		return nil, fmt.Errorf("socket(%s): %w", k.Arguments(), err)
	}
	s := Wrap(e, k)
	if trace != nil {
		n := s.number()
		trace(Call{Name: "socket", FD: -1, Args: k.Arguments(), Result: n, Start: start, Took: time.Since(start)})
	}
	return s, nil
}

// Pair makes two sockets connected to each other, as socketpair(2) does.
func Pair(d Domain, t Type, p Protocol) (a, b *Socket, err error) {
	k := Kind{Domain: d, Type: t, Protocol: p}
	f, ok := familyOf(d)
	if !ok || f.Pair == nil {
		return nil, nil, &UnsupportedError{Feature: "a pair of sockets in domain " + d.String(), Needs: "a domain that has pairs, such as unix"}
	}
	start := time.Now()
	x, y, err := f.Pair(k)
	trace := currentTrace()
	if err != nil {
		if trace != nil {
			trace(Call{Name: "socketpair", FD: -1, Args: k.Arguments(), Err: err, Start: start, Took: time.Since(start)})
		}
		return nil, nil, fmt.Errorf("socketpair(%s): %w", k.Arguments(), err)
	}
	a, b = Wrap(x, k), Wrap(y, k)
	if trace != nil {
		trace(Call{Name: "socketpair", FD: -1, Args: k.Arguments(), Detail: fmt.Sprintf("[%d, %d]", a.number(), b.number()),
			Start: start, Took: time.Since(start)})
	}
	return a, b, nil
}

// Arguments returns the kind, as it is beneath layers, as the arguments of socket(2), as
// "AF_INET, SOCK_STREAM, 0".
func (k Kind) Arguments() string {
	k = k.carried()
	types := map[Type]string{Stream: "SOCK_STREAM", Datagram: "SOCK_DGRAM", Raw: "SOCK_RAW", SeqPacket: "SOCK_SEQPACKET"}
	t, ok := types[k.Type]
	if !ok {
		t = strconv.Itoa(int(k.Type))
	}
	p := strconv.Itoa(int(k.Protocol))
	if name, ok := protocolNames[k.Protocol]; ok && k.Protocol != 0 {
		p = "IPPROTO_" + strings.ToUpper(name)
	}
	return k.Domain.constant() + ", " + t + ", " + p
}

// Wrap makes a socket of an endpoint that somebody else made, which it then
// owns: for families, and for layers over other sockets.
func Wrap(e Endpoint, k Kind) *Socket {
	s := &Socket{endpoint: e, kind: k, trace: currentTrace()}
	s.lastFD.Store(-1)
	s.messenger, _ = As[Messenger](e)
	s.track()
	return s
}

// Unwrap returns the endpoint beneath.
func (s *Socket) Unwrap() Endpoint { return s.endpoint }

// Domain returns the first of what the socket was made of, as [Inet].
func (s *Socket) Domain() Domain { return s.kind.Domain }

// Type returns the second, as [Stream].
func (s *Socket) Type() Type { return s.kind.Type }

// Protocol returns the third, as [TCP]; 0 is the default of the two others.
func (s *Socket) Protocol() Protocol { return s.kind.Protocol }

// Kind returns the three together.
func (s *Socket) Kind() Kind { return s.kind }

// Properties returns what the socket promises.
func (s *Socket) Properties() Properties {
	if p, ok := As[Promiser](s.endpoint); ok {
		return p.Properties()
	}
	return s.kind.Properties()
}

// Name returns the socket's own name, the zero Name while it has none:
// getsockname(2).
func (s *Socket) Name() Name { return s.endpoint.Name() }

// Peer returns the name of the connected peer, the zero Name where there is
// none or where it has no name: getpeername(2).
func (s *Socket) Peer() Name { return s.endpoint.Peer() }

// Internet returns where the socket and its peer are on the Internet: what their
// names say or, in a domain that another carries, those beneath. Either is zero
// where nothing tells.
func (s *Socket) Internet() (own, peer netip.AddrPort) {
	for e := s.endpoint; ; {
		var beneath [2]netip.AddrPort
		if c, ok := As[Carried](e); ok {
			beneath[0], beneath[1] = c.Carriage()
		} else {
			beneath[0], beneath[1] = e.Name().AddrPort(), e.Peer().AddrPort()
		}
		if !own.IsValid() {
			own = beneath[0]
		}
		if !peer.IsValid() {
			peer = beneath[1]
		}
		layer, ok := As[Layer](e)
		if !ok || layer.Lower() == nil {
			return own, peer
		}
		e = layer.Lower()
	}
}

// Bind gives the socket a name: bind(2). For an internet name, port 0 lets
// the system choose one.
func (s *Socket) Bind(n Name) error {
	b, ok := As[Binder](s.endpoint)
	if !ok {
		return s.unsupported("bind", "a name", "a socket that is made, not opened")
	}
	start := s.now()
	err := b.Bind(n)
	if s.trace != nil {
		s.tracedFrom(start, "bind", n.String(), 0, "", err)
	}
	return s.failedTo("bind", n, err)
}

// Listen makes the socket passive, with a queue of at most backlog connections
// that nobody accepted yet: listen(2). A backlog of 0 or less means the most
// that the system allows (on Linux, /proc/sys/net/core/somaxconn), and the
// system lowers a greater one to that without a word.
func (s *Socket) Listen(backlog int) error {
	a, ok := As[Acceptor](s.endpoint)
	if !ok {
		return s.unsupported("listen", "a queue of connections", "a stream or seqpacket socket")
	}
	start := s.now()
	err := a.Listen(backlog)
	if s.trace != nil {
		args := strconv.Itoa(backlog)
		if backlog <= 0 {
			args = "SOMAXCONN"
		}
		s.tracedFrom(start, "listen", args, 0, "", err)
	}
	return s.failed("listen", err)
}

// Accept takes the next connection of the queue, or waits for one: accept(2).
// The new socket has the same kind, and its Peer says who connected. The end
// of ctx ends this call, with ctx's error, and no other.
func (s *Socket) Accept(ctx context.Context) (*Socket, error) {
	a, ok := As[Acceptor](s.endpoint)
	if !ok {
		return nil, s.unsupported("accept", "a queue of connections", "a stream or seqpacket socket")
	}
	start := s.now()
	e, err := a.Accept(ctx)
	if err != nil {
		if s.trace != nil {
			s.tracedFrom(start, "accept", "", 0, "", err)
		}
		return nil, s.failed("accept", err)
	}
	return s.accepted(e, start), nil
}

// accepted makes the socket of a connection.
func (s *Socket) accepted(e Endpoint, start time.Time) *Socket {
	c, whole := e.(*Socket) // made by a listener with layers
	if !whole {
		c = Wrap(e, s.kind)
	}
	c.trace = s.trace
	if s.trace != nil {
		s.tracedFrom(start, "accept", "", c.number(), peerText(c), nil)
	}
	return c
}

// AcceptNow is Accept that never waits: where nobody is in the queue it returns
// ok false. Kinds that cannot tell, which are those in user space and those
// with layers, refuse it.
func (s *Socket) AcceptNow() (c *Socket, ok bool, err error) {
	w, can := As[AcceptWaiter](s.endpoint)
	if !can {
		return nil, false, s.unsupported("accept", "accepting without waiting", "a kernel socket")
	}
	start := s.now()
	e, err := w.AcceptNow()
	if err != nil {
		if s.trace != nil {
			s.tracedFrom(start, "accept", "", 0, "", err)
		}
		return nil, false, s.failed("accept", err)
	}
	if e == nil {
		return nil, false, nil
	}
	return s.accepted(e, start), true, nil
}

// WaitAccept waits until Accept would not wait, and takes nothing out of the
// queue; see [Socket.AcceptNow].
func (s *Socket) WaitAccept(ctx context.Context) error {
	w, ok := As[AcceptWaiter](s.endpoint)
	if !ok {
		return s.unsupported("accept", "waiting without accepting", "a kernel socket")
	}
	return s.failed("accept", w.WaitAccept(ctx))
}

func peerText(s *Socket) string {
	if text := s.Peer().String(); text != "" {
		return text
	}
	return "an unnamed peer"
}

// Connect reaches for the peer of that name: connect(2). For a stream or
// seqpacket socket it returns when the connection stands or was refused; for
// a datagram socket it only sets who Write sends to, and Read takes from. The
// end of ctx ends this call, with ctx's error, and leaves the socket good
// only for Close.
func (s *Socket) Connect(ctx context.Context, peer Name) error {
	c, ok := As[Connector](s.endpoint)
	if !ok {
		return s.unsupported("connect", "a peer", "a socket that is made, not opened")
	}
	start := s.now()
	err := c.Connect(ctx, peer)
	if s.trace != nil {
		s.tracedFrom(start, "connect", peer.String(), 0, "", err)
	}
	return s.failedTo("connect", peer, err)
}

// Read takes bytes from a stream, or one message: read(2). At the end of the
// stream it returns io.EOF; for an empty message 0 and nil. A message longer
// than b is cut, and ErrTruncated says so.
func (s *Socket) Read(b []byte) (int, error) {
	if s.trace == nil {
		n, err := s.endpoint.Read(b)
		if err != nil {
			err = s.failed("read", err)
		}
		return n, err
	}
	start := time.Now()
	n, err := s.endpoint.Read(b)
	s.tracedIO(start, "read", strconv.Itoa(len(b)), n, err)
	return n, s.failed("read", err)
}

// WaitRead waits until Read or Receive would not wait, for callers that have no memory to
// read into before that: poll(2). Kinds that cannot tell refuse it.
func (s *Socket) WaitRead() error {
	w := s.readWaiter()
	if w == nil {
		return s.waitFailed(nil)
	}
	if err := w.WaitRead(); err != nil {
		return s.waitFailed(err)
	}
	return nil
}

// readWaiter is kept apart from WaitRead, as waitFailed, lest the stack of a waiting goroutine be
// larger.
//
//go:noinline
func (s *Socket) readWaiter() ReadWaiter {
	w, _ := As[ReadWaiter](s.endpoint)
	return w
}

//go:noinline
func (s *Socket) waitFailed(err error) error {
	if err == nil {
		return s.unsupported("poll", "waiting without reading", "a kernel socket")
	}
	return s.failed("read", err)
}

// Write sends all of b, as one message where the kind has messages: write(2).
// It returns fewer bytes only with an error.
func (s *Socket) Write(b []byte) (int, error) {
	if s.trace == nil {
		n, err := s.endpoint.Write(b)
		if err != nil {
			err = s.failed("write", err)
		}
		return n, err
	}
	start := time.Now()
	n, err := s.endpoint.Write(b)
	s.tracedIO(start, "write", strconv.Itoa(len(b)), n, err)
	return n, s.failed("write", err)
}

func (s *Socket) tracedIO(start time.Time, call, args string, n int, err error) {
	switch {
	case err == io.EOF:
		s.tracedFrom(start, call, args, 0, "", nil)
	case n > 0 && err != nil:
		s.tracedFrom(start, call, args, n, reason(err), nil)
	default:
		s.tracedFrom(start, call, args, n, "", err)
	}
}

// Writev sends many buffers as if they were one, as writev(2): one message
// where the kind has messages. It does not change buffers.
func (s *Socket) Writev(buffers [][]byte) (int64, error) {
	v, ok := As[VectorWriter](s.endpoint)
	if !ok {
		return s.writeJoined(buffers)
	}
	start := s.now()
	n, err := v.Writev(buffers)
	if s.trace != nil {
		s.tracedIO(start, "writev", strconv.Itoa(len(buffers)), int(n), err)
	}
	return n, s.failed("writev", err)
}

// writeJoined writes the buffers as one for an endpoint that cannot gather.
func (s *Socket) writeJoined(buffers [][]byte) (int64, error) {
	var joined []byte
	for _, b := range buffers {
		joined = append(joined, b...)
	}
	n, err := s.Write(joined)
	return int64(n), err
}

// Send sends one message with what accompanies it, as sendmsg(2), and returns
// its size in bytes. A message too large for the kind, or in more than 1024
// buffers, is refused with EMSGSIZE.
func (s *Socket) Send(m *Message) (int, error) {
	if s.messenger == nil {
		return 0, s.unsupported("send", "a message", "a kind that carries messages")
	}
	start := s.now()
	n, err := s.messenger.Send(m)
	if s.trace != nil {
		args := strconv.Itoa(m.length())
		if !m.Peer.IsZero() {
			args += ", " + m.Peer.String()
		}
		s.tracedIO(start, "sendmsg", args, n, err)
	}
	if err != nil {
		err = s.failedTo("send", m.Peer, err)
	}
	return n, err
}

func (m *Message) length() int {
	n := 0
	for _, b := range m.Buffers {
		n += len(b)
	}
	return n
}

// Receive waits for one message and fills m with it, as recvmsg(2). It
// returns ErrTruncated, with what fitted, when m.Buffers is too small; io.EOF
// at the end of a connection. On a stream it takes what is there.
func (s *Socket) Receive(m *Message) error {
	if s.messenger == nil {
		return s.unsupported("receive", "a message", "a kind that carries messages")
	}
	m.Via = netip.AddrPort{}
	start := s.now()
	err := s.messenger.Receive(m)
	if s.trace != nil {
		args := strconv.Itoa(m.length())
		if !m.Peer.IsZero() {
			args += ", " + m.Peer.String()
		}
		s.tracedIO(start, "recvmsg", args, m.N, err)
	}
	if err != nil {
		err = s.failed("receive", err)
	}
	return err
}

// SendUrgent sends b as urgent (out-of-band) data: send(2) with MSG_OOB. Of
// TCP and unix streams only the last byte is urgent, the rest goes before it
// in the stream, so one byte at a time is what one means. Properties says
// how many bytes the kind takes.
func (s *Socket) SendUrgent(b []byte) (int, error) {
	u, ok := As[UrgentMessenger](s.endpoint)
	if !ok {
		return 0, s.unsupported("send", "urgent data", "a kind that has it, such as tcp")
	}
	start := s.now()
	n, err := u.SendUrgent(b)
	if s.trace != nil {
		s.tracedIO(start, "send", strconv.Itoa(len(b))+", MSG_OOB", n, err)
	}
	return n, s.failed("send", err)
}

// ReceiveUrgent waits for urgent data and takes it, ahead of what comes before
// it in the stream: recv(2) with MSG_OOB. The end of ctx ends this call, with
// ctx's error, and no other. With the option [option.OOBInline] set there is nothing
// to take, and it fails with EINVAL. At the end of the stream it returns
// io.EOF.
func (s *Socket) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	u, ok := As[UrgentMessenger](s.endpoint)
	if !ok {
		return 0, s.unsupported("receive", "urgent data", "a kind that has it, such as tcp")
	}
	start := s.now()
	n, err := u.ReceiveUrgent(ctx, b)
	if s.trace != nil {
		s.tracedIO(start, "recv", strconv.Itoa(len(b))+", MSG_OOB", n, err)
	}
	return n, s.failed("receive", err)
}

// AtMark reports whether everything before the urgent data was read:
// sockatmark(3).
func (s *Socket) AtMark() (bool, error) {
	u, ok := As[UrgentMessenger](s.endpoint)
	if !ok {
		return false, s.unsupported("ioctl", "an urgent mark", "a kind that has urgent data, such as tcp")
	}
	at, err := u.AtMark()
	return at, s.failed("ioctl", err)
}

// Shutdown ends one direction of a connection and keeps the other, or ends
// both: shutdown(2). After Shutdown(Write) the peer reads end-of-file once it
// has read what was sent.
func (s *Socket) Shutdown(how ShutdownHow) error {
	d, ok := As[Shutdowner](s.endpoint)
	if !ok {
		return s.unsupported("shutdown", "ending one direction", "a kind that can half-close, such as tcp")
	}
	start := s.now()
	err := d.Shutdown(how)
	if s.trace != nil {
		s.tracedFrom(start, "shutdown", how.String(), 0, "", err)
	}
	return s.failed("shutdown", err)
}

// Close ends the socket and every call that waits on it: close(2). A second
// Close is net.ErrClosed.
func (s *Socket) Close() error {
	if s.trace != nil {
		s.number()
	}
	start := s.now()
	err := s.endpoint.Close()
	if s.trace != nil && !errors.Is(err, net.ErrClosed) { // else nothing was called
		s.tracedFrom(start, "close", "", 0, "", err)
	}
	s.release(err)
	return s.failed("close", err)
}

// Abort ends a connection by a reset: the peer's reads fail with ECONNRESET,
// and what was not sent yet is discarded. It closes the socket. Kinds that
// know no reset are simply closed.
func (s *Socket) Abort() error {
	a, ok := As[Aborter](s.endpoint)
	if !ok {
		if r, ok := As[resetter](s.endpoint); ok {
			r.resetAtClose() // by what wraps it
		}
		return s.Close()
	}
	return s.abort(a.Abort)
}

// AbortLike is Abort for what another connection was reset with: a code that its peer told
// ([CodedError]) is told to this one's, where the kind has codes.
func (s *Socket) AbortLike(err error) error {
	var reset CodedError
	if a, ok := As[CodeAborter](s.endpoint); ok && errors.As(err, &reset) {
		if code, told := reset.ResetCode(); told {
			return s.abort(func() error { return a.AbortCode(code) })
		}
	}
	return s.Abort()
}

func (s *Socket) abort(by func() error) error {
	start := s.now()
	err := by()
	if s.trace != nil {
		s.tracedFrom(start, "close", "", 0, "by a reset", err)
	}
	s.release(err)
	return s.failed("close", err)
}

// OnClose makes f run once, when the socket is closed, after what ran for
// OnClose before; at once if it is closed already; never if Detach took its
// descriptor out. It is for what was made along with the socket, as a socket's
// file.
func (s *Socket) OnClose(f func()) {
	for {
		old := s.onClose.Load()
		switch old {
		case &nothing:
			f()
			return
		case &never:
			return
		}
		both := f
		if old != nil {
			both = func() { (*old)(); f() }
		}
		if s.onClose.CompareAndSwap(old, &both) {
			return
		}
	}
}

// What stands in onClose once the functions there have run, and once they never
// will, since the descriptor lives on.
var nothing, never = func() {}, func() {}

// release runs what OnClose was given, after a Close or Abort that returned err.
func (s *Socket) release(err error) {
	if s.detaching.Load() && errors.Is(err, net.ErrClosed) {
		return // Detach was faster
	}
	for {
		f := s.onClose.Load()
		if f == &never {
			return
		}
		if s.onClose.CompareAndSwap(f, &nothing) {
			if f != nil {
				(*f)()
			}
			return
		}
	}
}

// SetDeadline sets both deadlines. The zero time means none; one in the past
// ends at once what waits.
func (s *Socket) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets when Read, Receive, Accept and ReceiveUrgent end with
// os.ErrDeadlineExceeded.
func (s *Socket) SetReadDeadline(t time.Time) error {
	return s.failed("set", s.endpoint.SetReadDeadline(t))
}

// SetWriteDeadline sets when Write, Send, SendUrgent and Connect end with
// os.ErrDeadlineExceeded.
func (s *Socket) SetWriteDeadline(t time.Time) error {
	return s.failed("set", s.endpoint.SetWriteDeadline(t))
}

// SyscallConn gives access to the descriptor, as that of package net does. It
// is an error for a socket that has none.
func (s *Socket) SyscallConn() (syscall.RawConn, error) {
	d, ok := As[Descriptor](s.endpoint)
	if !ok {
		return nil, s.noDescriptor()
	}
	return d.SyscallConn()
}

// File returns a duplicate of the descriptor, blocking and close-on-exec, for
// another program or another library. Blocking mode belongs to what both
// descriptors share, so this socket becomes blocking beneath too: its calls
// still honour deadlines, by a wait before each.
func (s *Socket) File() (*os.File, error) {
	d, ok := As[Descriptor](s.endpoint)
	if !ok {
		return nil, s.noDescriptor()
	}
	f, err := d.File()
	return f, s.failed("file", err)
}

// Detach takes the descriptor out of the socket, which is closed by it
// without ending the connection. It is close-on-exec, and the caller's to
// close; nonblocking, unless it was inherited as a blocking one or File made it
// so. Where the socket never had to wait it is the same
// descriptor, else a duplicate. A socket that ends more than a descriptor, as
// that of a program, refuses.
func (s *Socket) Detach() (int, error) {
	d, ok := As[Detacher](s.endpoint)
	if !ok {
		return -1, s.noDescriptor()
	}
	s.detaching.Store(true)
	fd, err := d.Detach()
	switch {
	case err == nil:
		s.onClose.Store(&never)
	case !errors.Is(err, net.ErrClosed):
		s.detaching.Store(false)
	}
	return fd, s.failed("detach", err)
}

func (s *Socket) noDescriptor() error {
	return s.unsupported("file", "a descriptor", "a kernel socket")
}

// now is the time, where somebody will ask for it.
func (s *Socket) now() time.Time {
	if s.trace == nil {
		return time.Time{}
	}
	return time.Now()
}
