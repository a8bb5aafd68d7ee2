// Package replay plays recorded conversations: as the client to a server, or as the
// server to clients, of any kind of socket, and says where the other side does not do
// what it did.
//
// [Run] connects to an address once for each conversation, [Serve] waits for clients. Both
// send what one side of each conversation had sent, at the times at which it had, or as
// soon as the answers before it have come; close, half-close and reset as it did; and
// compare what comes with what had come, but for what may differ ([Options].Ignore). The
// first [Difference] of a conversation ends it, and can be shown.
//
// Times are kept by one absolute clock, on Linux a timerfd: nothing adds up, and the
// [Report] says how late everything was.
//
// Conversations are from package zocalo/record/capture, which reads files. This one reads
// none, and knows no protocol: what a client must make of an answer before it can go on,
// as a challenge, cannot be played.
package replay
