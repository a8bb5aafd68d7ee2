// Package fault breaks what passes between two ends, as bad networks and tired servers do: delays, losses, rates, resets,
// partitions, on streams and on messages, each direction by itself, and so that the same seed does the same again.
//
//	plan := fault.New(42)
//	plan.Add(fault.Fault{Direction: fault.Down, Effect: fault.Latency{Mean: 100 * time.Millisecond}})
//	r := &relay.Relay{Config: ..., Hooks: relay.Hooks{Filter: plan.Filter}}
//
// A [Plan] holds a chain of faults. What it impairs is a relay ([Plan.Filter]), a net.Conn ([Plan.Conn]) or a net.PacketConn
// ([Plan.PacketConn]); [Parse] reads faults from the words of `relay --fault`, [Load] from a schedule. Faults are added,
// changed and removed while data passes ([Handle]), for what is open too.
//
// # Streams and messages
//
// On a stream nothing is ever missing, doubled or out of order, unless an effect says that it ends or corrupts the stream: loss is the pause of a
// retransmission, a partition holds what comes. The end of a stream (a half-close) travels as its bytes do. Messages
// are lost, doubled, held back and cut, each whole. What an effect means on each is in its documentation.
// An effect that makes no sense for what passes does nothing there, and [Plan.Warn] is told once; [Fault.Check] says so before.
//
// # What is repeated
//
// Each fault of each direction of each pair has a generator of its own, so that draws depend neither on other faults nor on
// other pairs. On messages draws go by message, on streams by byte offset (for loss, corruption and slices) and never by how
// the system cuts what is read; the one exception is the jitter of a stream's latency. Times of a [Timing] count from the
// beginning of each pair. [Plan.Log] is told of all that is done.
//
// # How it works
//
// Each direction of a pair is a line: stages in a chain, one for each fault, through which each piece moves by times that
// are computed when it comes, not when a timer fires, so that late timers add up to nothing. One goroutine for each
// direction waits for the next time, and there is none while nothing is held. A piece that nothing delays is passed on by whoever brought it,
// without a copy. What is held is bounded: a stream then waits, as does a message whose kind can, and a datagram is dropped.
//
// It is not for impairing the network itself: what the kernel sends beside these connections, such as
// acknowledgements, is not its concern. See docs/faults.md.
package fault
