// Package sockettest is for those who write a family of sockets: tests that
// every family should pass, a family to try other code against, and sockets
// that fail on purpose.
//
//   - [TestMessages] is the twin, for kinds with message boundaries, of
//     golang.org/x/net/nettest.TestConn, which serves streams; [TestListener]
//     tests the passive side of any kind.
//   - [Memory] is a whole domain within one process: streams, datagrams and
//     seqpackets that keep all that they promise. It waits on channels and
//     timers only, so that it works inside a testing/synctest bubble.
//   - [Faulty] makes a socket that loses, repeats, reorders, merges, splits,
//     cuts or corrupts what it sends, to show that a check can fail.
//
// A program that wants the domain calls [RegisterMemory]; importing the package
// registers nothing. Memory is also the family to read before writing one; one
// that is layered over TCP is package iso.
//
// The package is not for programs in production: Memory reaches no other
// process.
package sockettest
