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
//   - Options are a package of their own, zocalo/socket/option, each with its type:
//     option.NoDelay.Set(s, true).
//   - [FromFD], [FromFile] and [FromConn] make a Socket of what is open already: a
//     descriptor, a pipe or a terminal too, or a connection of package net.
//   - [SetTrace] shows each call as it completes.
//
// # For authors of families and layers
//
// Programs that use sockets need nothing of this.
//
//   - An [Endpoint] is what stands beneath a Socket. What more it can do than read, write and
//     close are capabilities, interfaces of their own: [Binder], [Connector], [Acceptor],
//     [Messenger], [Batcher], [UrgentMessenger], [Shutdowner], [Aborter], [Descriptor] ...
//     [As] finds one through all that wraps an endpoint, [Beneath] through layers too; where
//     it is absent, the Socket's method answers [UnsupportedError].
//   - A [Family] makes the endpoints of one domain. This package registers the kernel's; others
//     [Register] theirs when they are imported, and need no change here. [MakeName] makes its
//     names, and package zocalo/socket/wait has what blocks as endpoints must.
//   - A [Wrapper] changes nothing of what passes, a [Layer] does. [LayerKind] says what the
//     kind of socket beneath becomes; [Wrap] and [LayerKind.Wrap] make the Socket.
//   - What the address language knows of a family or a layer is package zocalo/socket/scheme's.
//   - [Trace] shows what passes beneath calls, such as packets.
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
