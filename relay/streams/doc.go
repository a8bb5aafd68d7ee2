// Package streams is the engine of a relay for two streams of the kernel's: it
// moves bytes between them on few threads, without copying where it can. It
// stands on the event loop of internal/poll. Linux has it. Programs use it by
// package relay, which accepts for an address, chooses among several TO and keeps the
// account of it all, or by package echo, and its names may change with theirs. Any two
// other ends are package join's.
//
// A [Group] serves listeners by several loops. For each connection a [Service]
// says what becomes of it: a [Conn] is connected with another stream, or echoed.
// What passes between the two sides, and how it ends, are the rules of package
// join, without goroutines and without memory of their own:
//
//   - Both descriptors are registered once, edge-triggered (side_linux.go).
//   - What comes is read into the loop's one buffer and written on
//     (flow_linux.go). A read that fills it makes a TCP flow go on by splice(2),
//     through a pipe that is given back as soon as it is empty. Only what the
//     far side does not take is held (held_linux.go).
//   - splice(2) stops at urgent data, and read(2) passes over it unless it is
//     known to be there. EPOLLPRI tells of it; where there may be a mark that
//     was not told of yet, it is asked for before each read (side.atMark).
//   - Unix streams are read with recvmsg(2), since splice(2) would drop
//     descriptors that come with them in silence (files_linux.go).
//   - A loop connects by itself (connect_linux.go), or is given a connection
//     that somebody else has made, by Conn.Join and Loop.Post.
//   - Times are one timer of each Conn (conn_linux.go), rates the time until
//     which what was read is paid for (rate_linux.go), bounds and shortages
//     pauses of the listeners (accept_linux.go).
//
// Loops that share a listener are woken one at a time (EPOLLEXCLUSIVE), and one
// that has many more connections than another hands over what it accepts.
package streams
