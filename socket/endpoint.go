package socket

import (
	"context"
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// An Endpoint is the least that a family implements: one end of a channel,
// with blocking calls that honour deadlines as those of a net.Conn do. A
// deadline that passes ends the call with os.ErrDeadlineExceeded, and Close
// ends it with net.ErrClosed; both at once, whatever the call is waiting for.
// One reader and one writer never wait for each other.
//
// Everything more is a capability: an interface of this package that an
// endpoint implements or not, found by [As]. A capability that is absent
// makes the [Socket]'s method answer with an [UnsupportedError].
//
// Errors need no decoration: Socket adds the operation and both names.
type Endpoint interface {
	// Read takes bytes of a stream, or one message. At the end of a stream
	// or connection it returns io.EOF; an empty message is 0, nil. A message
	// longer than b is cut, and says so with ErrTruncated.
	Read(b []byte) (int, error)
	// Write sends all of b, as one message where the kind has messages. It
	// returns fewer bytes only with an error.
	Write(b []byte) (int, error)
	// Close ends the endpoint and every call that waits on it. It returns
	// once the resources beneath are free. A second Close is net.ErrClosed.
	Close() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	// Name and Peer are getsockname(2) and getpeername(2); the zero Name
	// where there is none. They answer after Close too, if asked before.
	Name() Name
	Peer() Name
}

// A Binder can be given a name: bind(2).
type Binder interface {
	Bind(Name) error
}

// A Connector reaches for a peer: connect(2). On a datagram endpoint that
// only sets the peer. The end of ctx interrupts this call and no other.
type Connector interface {
	Connect(ctx context.Context, peer Name) error
}

// An Acceptor is the passive side: listen(2) and accept(2).
type Acceptor interface {
	// Listen makes the endpoint passive. A backlog of 0 or less means the
	// most that the family allows.
	Listen(backlog int) error
	// Accept takes the next connection of the queue, or waits for one. The
	// end of ctx interrupts this call and no other.
	Accept(ctx context.Context) (Endpoint, error)
}

// An AcceptWaiter is an [Acceptor] that can wait without taking a connection out of
// the queue, and take one without waiting: for those that listen on several sockets, and
// must not accept what nobody has asked for.
type AcceptWaiter interface {
	// WaitAccept returns nil once there is a connection, or an error that Accept
	// would tell. The end of ctx ends this call and no other.
	WaitAccept(ctx context.Context) error
	// AcceptNow is Accept that returns nil, nil where the queue is empty.
	AcceptNow() (Endpoint, error)
}

// A Messenger sends and receives messages with all that accompanies them.
type Messenger interface {
	// Send sends one message and returns its size in bytes.
	Send(*Message) (int, error)
	// Receive waits for one message and fills m with it. It returns
	// ErrTruncated with what fit when m.Buffers is too small, and io.EOF at
	// the end of a connection.
	Receive(m *Message) error
}

// A Batcher sends and receives many datagrams in one call.
type Batcher interface {
	// SendBatch sends messages in order and returns how many left. It stops
	// at the first error.
	SendBatch([]Message) (int, error)
	// ReceiveBatch waits for at least one message, then takes what is there
	// without waiting more, and returns how many it filled.
	ReceiveBatch([]Message) (int, error)
}

// An UrgentMessenger carries urgent (out-of-band) data.
type UrgentMessenger interface {
	// SendUrgent sends b as urgent data and returns how many bytes left.
	SendUrgent(b []byte) (int, error)
	// ReceiveUrgent waits for urgent data and takes it, ahead of what is
	// before it in the stream.
	ReceiveUrgent(ctx context.Context, b []byte) (int, error)
	// AtMark reports whether the next byte to read is the one that follows
	// the urgent data, as sockatmark(3).
	AtMark() (bool, error)
}

// A Shutdowner can end one direction and keep the other: shutdown(2).
type Shutdowner interface {
	Shutdown(ShutdownHow) error
}

// A WholeCloser is an endpoint of a kind that cannot end one direction alone:
// the end-of-file that it reads is that of the whole connection.
type WholeCloser interface {
	ClosesWhole()
}

// An Acknowledger knows whether its peer has all that was written: for kinds of
// which what is not there yet is lost when the program ends.
type Acknowledger interface {
	Acknowledged() bool
}

// An Aborter can end a connection by a reset, so that the peer's reads fail
// with ECONNRESET and what was not sent yet is discarded. It closes the
// endpoint.
type Aborter interface {
	Abort() error
}

// A CodeAborter is an [Aborter] whose resets tell the peer a number, as those of QUIC.
type CodeAborter interface {
	AbortCode(code uint64) error
}

// A CodedError is an error of a connection that its peer has reset, with the number that
// it told, if any.
type CodedError interface {
	error
	ResetCode() (code uint64, ok bool)
}

// A ReadWaiter can wait for what is to be read before there is memory to read
// it into, so that whoever waits for long holds none.
type ReadWaiter interface {
	// WaitRead returns nil once Read or Receive would not wait: something is
	// there, or the end, or an error that they will tell. Deadlines and Close
	// end it as they end those.
	WaitRead() error
}

// A VectorWriter writes many buffers in one call: writev(2). It sends all of
// them, and returns fewer bytes only with an error.
type VectorWriter interface {
	Writev(buffers [][]byte) (int64, error)
}

// A Copier moves bytes between itself and a stream without passing them
// through the program, by splice(2) and sendfile(2). It returns handled false,
// having done nothing, where it cannot; the caller then copies.
type Copier interface {
	CopyFrom(r io.Reader) (n int64, handled bool, err error)
	CopyTo(w io.Writer) (n int64, handled bool, err error)
}

// A Descriptor is an endpoint that the system knows by a file descriptor.
type Descriptor interface {
	// FD returns the descriptor's number, for messages only: it stays owned
	// by the endpoint, and -1 means closed.
	FD() int
	SyscallConn() (syscall.RawConn, error)
	// File returns a duplicate, independent of the endpoint.
	File() (*os.File, error)
}

// A Detacher can give its descriptor away.
type Detacher interface {
	// Detach takes the descriptor out of the endpoint, which is closed by it
	// without ending the connection.
	Detach() (fd int, err error)
}

// A Promiser states properties that depend on the connection rather than on
// the kind, such as urgent data that both sides had to agree on.
type Promiser interface {
	Properties() Properties
}

// A Wrapper is an endpoint around another that changes nothing of what
// passes: it counts, names or limits. [As] looks through it, so that a wrapper
// never hides a capability of what it wraps; one that wants to see the
// bytes of a capability implements that capability itself.
//
// What ends an endpoint is never found through a wrapper, whose Close may have
// more to end than what it wraps: a wrapper that is to be an [Aborter] or a
// [Detacher] implements that itself. Without, it is closed by its own Close to
// be aborted, by a reset where it wraps a kernel socket.
type Wrapper interface {
	Unwrap() Endpoint
}

// A Layer is an endpoint over another that changes what passes, as TLS does.
// [As] stops there; options look further, with [Beneath]. Lower is nil where what is
// beneath is shared by several, and nothing that one of them may set, wait on or close.
type Layer interface {
	Lower() Endpoint
}

// Carried is an endpoint that the Internet carries without a socket of its own
// there, as those of XNS are that share a UDP link.
type Carried interface {
	// Carriage returns the addresses on the Internet between which its packets
	// go: its own and, of a connection, the peer's; zero where there is none.
	Carriage() (own, peer netip.AddrPort)
}

// As finds the capability T of an endpoint: its own, or that of what it
// wraps. A [Socket] is looked through as well. What ends an endpoint ([Aborter],
// [CodeAborter], [Detacher]) is the endpoint's own alone.
func As[T any](e Endpoint) (T, bool) {
	for e != nil {
		if s, ok := e.(*Socket); ok && !ends[T]() {
			e = s.endpoint
			continue
		}
		if t, ok := e.(T); ok {
			return t, true
		}
		w, ok := e.(Wrapper)
		if !ok || ends[T]() {
			break
		}
		e = w.Unwrap()
	}
	var none T
	return none, false
}

// ends reports whether a capability ends the endpoint.
func ends[T any]() bool {
	switch any((*T)(nil)).(type) {
	case *Aborter, *CodeAborter, *Detacher:
		return true
	}
	return false
}

// Beneath is [As] that goes down through layers too: for what concerns the
// transport and not the bytes, such as options and descriptors.
func Beneath[T any](e Endpoint) (T, bool) {
	for e != nil {
		if t, ok := As[T](e); ok {
			return t, true
		}
		l, ok := As[Layer](e)
		if !ok || ends[T]() {
			break
		}
		e = l.Lower()
	}
	var none T
	return none, false
}
