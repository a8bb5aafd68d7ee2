// Package poll waits for many descriptors on one thread: an event loop on
// epoll(7), with timers, a mailbox, and pipes to splice through. It knows
// descriptors only; what they carry, and how it ends, is for the packages that
// stand on it (relay/streams, relay/datagrams). Linux has it; on other systems
// [New] answers an error.
//
// A [Loop] calls the [Handler] of each descriptor that is ready, all on the
// goroutine of [Loop.Run]. Handlers never wait. They make their calls with the
// functions of internal/sys named Raw, which skip Go's scheduler, and do a
// bounded amount of work at a time: garbage collection can stop the loop only
// between two calls, and the other descriptors only get their turn when a
// handler returns. A handler that has more to do asks for another turn
// ([Loop.Again]).
//
// Only [Loop.Post] may be called from anywhere. Everything else belongs to the
// goroutine of Run: handlers, timers and posted functions, and before Run who
// made the loop. So nothing here needs a lock.
//
// A [Timer] is a field of whatever it concerns, and costs nothing to arm and
// to disarm (timers.go). A [Pipe] is what splice(2) needs between two sockets;
// empty ones are kept for use again, so that an idle connection holds none.
package poll
