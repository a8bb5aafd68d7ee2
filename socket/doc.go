// Package socket is the socket model: one type, [Socket], for one end of a
// channel between processes, whatever is beneath it. Its calls are those of
// the BSD system, in their order: [New], Bind, Listen and Accept for a server,
// New and Connect for a client, then Read and Write, or Send and Receive where
// a message has more to it than bytes, and Close.
//
// It is for programs that need what package net does not give: message
// boundaries, urgent data, descriptors and credentials that go with a message,
// kinds of socket that net has no name for, and calls that a context ends. A
// Socket is a net.Conn, and [Socket.Listener] and [Socket.PacketConn] make the
// rest of what net/http, crypto/tls and quic-go work with.
//
// It is not for those who have an address as text and want a connection: that
// is the root package zocalo, which knows the address language, tries all the
// names of a host and bounds the time. Nor is it for loops that accept (package
// server) or that copy between two sockets (package relay).
//
// # How its parts fit
//
//   - A [Kind] is what a socket is made of, the three arguments of socket(2):
//     [Domain], [Type] and [Protocol]. [Properties] are what it promises.
//   - A [Name] is where a socket is within its domain: a value, to compare and
//     to use as a map's key. [InetName], [UnixName] and [VSockName] make those
//     of the kernel's domains, and [NameOf] takes package net's.
//   - A [Message] is data with its peer, flags and [Ancillary] data.
//   - An [Option] is set or read by its own methods, as NoDelay.Set(s, true).
//   - An [Endpoint] is what stands beneath a Socket. What more it can do than
//     read, write and close are interfaces of its own, which [As] finds through
//     all that wraps it. What it cannot do answers [UnsupportedError].
//   - A [Family] makes the endpoints of one domain. This package registers the
//     kernel's; others [Register] theirs when they are imported, and need no
//     change here. Its [Scheme]s are its words in the address language.
//   - [FromFD] and [FromFile] make a Socket of a descriptor that is there
//     already, a pipe or a terminal too.
//   - [SetTrace] shows each call as it completes.
//
// # What waits
//
// A call that has to wait blocks no thread and starts no goroutine. It ends with
// os.ErrDeadlineExceeded when its deadline passes, with net.ErrClosed on Close,
// and where it takes a context with the context's error. Calls of one direction
// on one Socket take turns; a reader and a writer never wait for each other.
//
// A Socket holds a descriptor until Close or Detach: one that is forgotten is
// not closed by the garbage collector.
//
// # Errors
//
// An error of a Socket's method is a *net.OpError with the operation and both
// names, over the system's: errors.Is finds the errno.
package socket
