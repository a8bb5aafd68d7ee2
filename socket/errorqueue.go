package socket

import (
	"context"
	"fmt"
	"runtime"
	"syscall"

	"zocalo/internal/sys"
)

// An ErrorReceiver has an error queue: what became of messages after they were
// sent.
type ErrorReceiver interface {
	ReceiveError(*Message) error
}

// A QueuedError is an entry of a socket's error queue (struct
// sock_extended_err, see ip(7)). It is an error for the origins that are; for
// the others it tells what became of something that was sent.
type QueuedError struct {
	Origin     ErrorOrigin
	Errno      syscall.Errno // as ECONNREFUSED; ENOMSG of FromTimestamp, 0 of FromZeroCopy
	Type, Code uint8         // of the ICMP message (RFC 792, RFC 4443)
	Info, Data uint32        // as the origin has it; with EMSGSIZE, Info is the path's MTU in bytes
	Offender   Name          // who sent the ICMP message, with port 0
}

// An ErrorOrigin is where an entry of the error queue comes from, under Linux's
// numbers.
type ErrorOrigin uint8

// The origins.
const (
	FromLocal     ErrorOrigin = 1 // this machine: as EMSGSIZE of path MTU discovery
	FromICMP      ErrorOrigin = 2
	FromICMPv6    ErrorOrigin = 3
	FromTimestamp ErrorOrigin = 4 // when a message left: Time, and Transmission
	FromZeroCopy  ErrorOrigin = 5 // what was sent with ZeroCopy may be used again
)

// String returns the origin's name, as "icmp".
func (o ErrorOrigin) String() string {
	switch o {
	case FromLocal:
		return "local"
	case FromICMP:
		return "icmp"
	case FromICMPv6:
		return "icmpv6"
	case FromTimestamp:
		return "timestamp"
	case FromZeroCopy:
		return "zerocopy"
	}
	return fmt.Sprintf("origin %d", uint8(o))
}

// Error returns the errno's text and where it comes from.
func (e *QueuedError) Error() string {
	switch e.Origin {
	case FromICMP, FromICMPv6:
		return fmt.Sprintf("%v (%v type %d code %d from %v)", e.Errno, e.Origin, e.Type, e.Code, e.Offender.AddrPort().Addr())
	case FromLocal:
		return fmt.Sprintf("%v (local)", e.Errno)
	}
	return e.Origin.String()
}

// Unwrap returns the errno.
func (e *QueuedError) Unwrap() error { return e.Errno }

// ZeroCopied returns which sends with [ZeroCopy] are done with their memory:
// the completions first to last. [Message.ZeroCopies] says which of them are a
// message's, and [ZeroCopies.Complete] takes note. Copied says that the
// kernel copied after all, as it always does over loopback. It is ok for the
// origin FromZeroCopy.
func (e *QueuedError) ZeroCopied() (first, last uint32, copied, ok bool) {
	const codeCopied = 1 // SO_EE_CODE_ZEROCOPY_COPIED
	if e.Origin != FromZeroCopy {
		return 0, 0, false, false
	}
	return e.Info, e.Data, e.Code == codeCopied, true
}

// A Stage is how far a message has come when its time was taken, under Linux's
// numbers.
type Stage uint32

// The stages.
const (
	Sent         Stage = 0 // handed to the network card, or by it to the wire
	Scheduled    Stage = 1 // put into the queue of the interface
	Acknowledged Stage = 2 // acknowledged by the peer, of TCP
)

// Transmission returns which message's time this is, and of what: datagrams
// are counted from 0 for each socket, TCP by bytes. It is ok for the origin
// FromTimestamp.
func (e *QueuedError) Transmission() (stage Stage, id uint32, ok bool) {
	return Stage(e.Info), e.Data, e.Origin == FromTimestamp
}

// ReceiveError waits for an entry of the error queue and fills m with it:
// recvmsg(2) with MSG_ERRQUEUE. Entries come with the options
// [option.ReceiveErrors], [option.Timestamping] and [option.AllowZeroCopy], on Linux. The
// entry is m.Ancillary.Error; Peer is the name to which the message was sent
// that it is about, and the data what came back of it. The read deadline
// counts. It does not wait for, nor disturb, those who Receive.
func (s *Socket) ReceiveError(m *Message) error {
	r, ok := As[ErrorReceiver](s.endpoint)
	if !ok {
		return s.unsupported("receive", "an error queue", "a kernel socket")
	}
	start := s.now()
	err := r.ReceiveError(m)
	if s.trace != nil {
		s.tracedIO(start, "recvmsg", "MSG_ERRQUEUE", m.N, err)
	}
	if err != nil {
		err = s.failed("receive", err)
	}
	return err
}

// failing is the attempt of recvmsg(2) on the error queue.
type failing struct{ message *receivingMessage }

func (f *failing) try(fd int) (errno syscall.Errno) {
	r := f.message
	r.msg.Control = r.control
	r.n, errno = sys.Recvmsg(fd, &r.msg, sys.ErrorQueue|sys.DontWait|sys.Trunc)
	return errno
}

// ReceiveError implements ErrorReceiver.
func (k *kernel) ReceiveError(m *Message) error {
	if runtime.GOOS != "linux" {
		return &UnsupportedError{Feature: "an error queue", Needs: "Linux"}
	}
	m.N, m.Size, m.Peer, m.SegmentSize = 0, 0, Name{}, 0
	m.Ancillary.empty()
	if len(m.Buffers) > sys.MaxBuffers {
		return sys.Error("recvmsg", syscall.EMSGSIZE)
	}
	if err := k.begin(context.Background(), &k.faults); err != nil {
		return err
	}
	defer k.end(&k.faults)
	if k.failing.message == nil {
		k.failing.message = &receivingMessage{control: make([]byte, controlSpace)}
	}
	r := k.failing.message
	r.msg.SetBuffers(m.Buffers)
	errno, err := k.do(&k.faults, &k.failing)
	r.msg.ClearBuffers()
	if err != nil || errno != 0 {
		return firstError(err, "recvmsg", errno)
	}
	return m.received(r.n, &r.msg)
}
