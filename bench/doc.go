// Package bench measures sockets of every kind: throughput, round trips,
// connections, and what an unreliable kind loses, with the distribution of
// each and the conditions that they depend on. The verb zocalo bench is flags
// and printing over it, and docs/bench.md says what each figure means.
//
// [Run] makes one measurement, against a [Server] or, for round trips and
// connections, against anything that echoes. [Compare] makes alternating runs
// of two until a sequential test can tell them apart, [MeasureRelay] does so
// with and without a relay in the middle, and [Local] measures every kind of
// socket on this machine side by side.
//
// It is not for profiling a program from within, nor a load generator for
// protocols: what it sends is its own. The protocol of iperf3 is package
// bench/iperf3, which shares [Result], [Conditions] and [Histogram].
//
// # How its parts fit
//
//   - A run has flows, one socket each (flow.go): opened by a greeting, with
//     which a client also finds out who answers (wire.go).
//   - Streams are frames, which both ends send and take by the same code:
//     sender.go, receiver.go. Over a kind with connections the client is
//     stream.go and the server server.go; without, lossy.go and datagrams.go, and
//     tracker.go finds out what was lost, repeated and reordered.
//   - Requests and answers are not framed. Each flow has a requester, which waits
//     for each answer, or a pipeline, which does not (requester.go, pipeline.go);
//     a few flows of the kernel's wait in the system (block_linux.go).
//   - A phase is the measured time with its intervals (run.go), remarks.go what must
//     be known to trust a result, and text.go and svg.go what is shown of it.
//   - sequential.go is the test that a comparison rests on.
//
// No message costs an allocation, at either end.
package bench
