// Package loop moves octets between kernel sockets on few threads: an event
// loop on epoll(7), and what stands on it. Linux has it; on other systems
// [New] answers an error.
//
// # The loop
//
// A [Loop] waits for many descriptors at once and calls the [Handler] of each
// that is ready, all on the goroutine of [Loop.Run]. Handlers never wait. They
// make their calls with the functions of internal/sys named Raw, which skip
// Go's scheduler, and do a bounded amount of work at a time: garbage
// collection can stop the loop only between two calls, and the other
// descriptors only get their turn when a handler returns. A handler that has
// more to do asks for another turn ([Loop.Again]).
//
// Only [Loop.Post] may be called from anywhere. Everything else belongs to the
// goroutine of Run: handlers, timers and posted functions, and before Run who
// made the loop. So nothing here needs a lock.
//
// A [Timer] is a field of whatever it concerns, and costs nothing to arm and
// to disarm (timers.go).
//
// # Streams that are joined
//
// A [Group] serves listeners by several loops. For each connection a [Service]
// says what becomes of it: a [Conn] is connected with another stream, or echoed.
// What passes between the two sides, and how it ends, are the rules of package
// relay, without goroutines and without memory of their own:
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
//
// Package streams, in the folder below, speaks of all this in the words of
// package socket, which is above this one.
//
// # Pipes
//
// splice(2) needs a pipe between two sockets. Those that are empty are kept
// for use again, so that an idle connection holds none (pipes_linux.go).
package loop
