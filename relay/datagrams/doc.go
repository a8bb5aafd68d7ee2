// Package datagrams is the engine of a relay for the peers of a datagram socket, any
// number of them on one thread: each peer is a session with a socket of its own on the
// far side, so that answers find their way back. Programs use it by package relay, and
// its names may change with that. It takes what comes from udp and unix-dgram sockets of the kernel's to udp, unix-dgram and unix
// seqpacket ones, on Linux. Other kinds, as iso-dgram and idp, and other
// systems are served by [zocalo/server.Sessions] and [zocalo/relay/join.Join], and
// refused here ([TakesNear], [TakesFar]).
//
//	r := &datagrams.Relay{Dial: func(ctx context.Context, peer socket.Name, _ []socket.Name) (*socket.Socket, error) {
//		return zocalo.Dial(ctx, "udp:10.0.0.7:53")
//	}}
//	err := r.Serve(ctx, life, listener.Sockets()...)
//
// # What passes
//
// Each message arrives whole, as one; an empty one too. One that is too long,
// for [Relay.MaxMessage] or for the far kind, is refused and counted, never cut;
// so is a message of a unix socket that descriptors come with. The sender's
// name, credentials and what else comes beside a message do not pass: the far
// side sees the session's own socket. A peer is answered from the address that it
// has sent to, also where the near socket has all of the machine's. Peers without
// a name, as unbound unix sockets, share a session: what they send passes, and
// answers to them are dropped and counted.
//
// Datagrams come and go in batches of up to 64. Trains, which the system joins
// where it can (UDP_GRO), pass on uncut (UDP_SEGMENT), and messages of one size
// that follow each other leave as a train too; the far side receives what was
// sent all the same. Where the system refuses trains they are cut here, for good
// or for that path, and the log says why. ZOCALO_NO_GRO=1 and ZOCALO_NO_GSO=1
// in the environment switch both off.
//
// # What waits, and what is lost
//
// Nothing that was received is dropped because something is slow. What cannot
// leave at once, since a buffer is full, memory is short, or [Relay.Rate] or
// [Relay.TotalRate] is exceeded, is held, and the socket that it came from is
// not read until there is room: of the far side that is the session's own, so
// that a peer that does not read, or is at its rate, makes only its own target
// wait. (Linux counts what unix peers have not read against the send buffer of
// the near socket, which all share: one that is connected and does not read may
// fill it. sndbuf= makes it larger.) A near socket has all peers in one queue. It is not read while a
// session holds more than 256 KiB of what its peer sent, or all hold more than
// 16 MiB, or while the total rate is exceeded: then all its peers wait. Meanwhile
// the system keeps what fits the socket's receive buffer (which is made 4 MiB,
// as far as net.core.rmem_max lets it, unless it was set), drops what comes
// beyond it over udp (counted as [Totals.Overflowed]), and makes a unix peer's
// send wait.
//
// What is lost is counted as dropped, and the log says so once for each reason:
//
//   - what comes for a far socket that could not be had, until Dial is tried
//     again: a tenth of a second later, then twice that, up to 5 s;
//   - what comes before the far socket is there, beyond 16 MiB for all sessions;
//   - what the system, or a firewall, refuses to send for another reason than
//     its length;
//   - what is held when its session ends.
//
// # Sessions
//
// A session begins with a peer's first message and ends when nothing passed for
// [Relay.Idle], to make room ([Relay.Max]), with the connection of a seqpacket
// far socket, or when a unix far socket has lost its target, whose next message
// begins a new one. Errors that the network reports about what a session sent,
// ICMP messages, are that session's alone ([Relay.OnError]), and do not end it:
// whoever was unreachable may come back. Of what goes to the peers they are known
// where the option recverr is set on the near socket.
//
// An idle session takes some 330 bytes besides what the system needs for a
// socket: no goroutine, no buffer, no timer.
//
// # Parts
//
// engine_linux.go is the loop with what all sessions share, near_linux.go a
// socket that peers send to, session_linux.go one peer, far_linux.go and
// dial_linux.go its far socket. inbox_linux.go receives batches, and
// outbox_linux.go makes sends of messages and trains. passing_linux.go is what
// happens between the two, and what becomes of what cannot leave.
package datagrams
