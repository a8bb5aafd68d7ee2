// Package zocalo connects to, and listens on, any kind of socket by its
// address:
//
//	c, err := zocalo.Dial(ctx, "tcp:localhost:5346")
//	l, err := zocalo.Listen(ctx, "unix:/run/echo.sock,mode=0660")
//
// An address is one word, SCHEME:ENDPOINT and options after commas. The scheme
// says what kind of socket it is, and all the rest is the same for every kind:
// tcp, udp and mptcp, unix with its three types, vsock, raw, an inherited
// descriptor, a file or a program. What is returned is a [socket.Socket], or a
// [Listener] that accepts them. A Socket is a net.Conn with the calls that
// package net does not have: messages with their boundaries, urgent data,
// descriptors and credentials, half-close, names, options.
//
// [Dial] tries all the names of an address, racing those of different domains
// as RFC 8305 says. [Listen] listens on all of them. A [Dialer] has the bounds
// of time. The errors of both say in one line what was tried, what came back
// and what to do.
//
// # Addresses from outside
//
// An address can do what the user who runs the program can: connect to a host behind
// a firewall, open a file, take an inherited descriptor, read a key from a path in an
// option and, where the program has called process.Register of zocalo/process, run a
// command. So one that somebody else has written, as in a request or a database, is
// not to be trusted more than a command of theirs. Where only a part of it is theirs,
// as the host, [address.Escape] keeps it in its place. Where all of it is, give a
// [Dialer] or [ListenConfig] the Schemes that it may have, and a Dialer a Permit for
// the names that it may reach; and look at the Settings of the parsed [address.Address]
// before it is used: options can name files. Passwords and keys are read from files
// (password-file=, key=), so that no address has them and no error prints them.
//
// # What is where
//
//   - package [zocalo/socket] is the socket itself, with the calls of the
//     system's: socket, bind, listen, accept, connect. Whoever wants those, and
//     no addresses, needs nothing else; examples/echo-server is such a
//     program.
//   - package [zocalo/address] is the address language: its grammar, and the
//     options that every scheme takes.
//   - package zocalo/server serves what a Listener accepts: bounds, allow
//     lists, an end in good order, the echo handler.
//   - package zocalo/relay joins what comes to one address with another, and
//     zocalo/relay/join two sockets that are there already.
//   - package zocalo/frame makes messages of a stream.
//   - package zocalo/bench measures, zocalo/check tries what a kind of socket
//     promises, and zocalo/sockstat lists the sockets of this host.
//
// This package knows no domain. It asks the scheme, which the domain's family
// has registered with package socket; so a program that imports another family,
// as
//
//	import _ "zocalo/iso"
//
// can dial and listen on its addresses, and nothing else changes.
//
// Package zocalo moves no data, and keeps no connection after it has returned
// it. It is not for programs that pass addresses of package net around, such as
// "tcp" and "localhost:80": there net.Dial is as good.
package zocalo
