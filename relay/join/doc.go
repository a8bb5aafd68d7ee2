// Package join joins two ends: what one sends reaches the other, as bytes or
// as messages, until both have finished. On [Join] stand the verbs that put
// standard input and output on a socket, the copy loop of a served program
// that has no descriptor of its own, and bridges between any two addresses.
//
// It is the general way: goroutines and copies through this program, for any
// two ends, whatever their domains. It does not accept, connect, retry, limit
// or log: who calls does, as package relay. Moving the bytes of two
// kernel streams without copying them is the job of relay/streams, by the same
// rules, and many datagram peers are that of package relay/datagrams.
//
// An [End] is a socket and how its bytes are cut into messages. [FirstPeer]
// makes one of a datagram socket that waits for whoever sends first. Inside,
// each direction is a flow from a source to a sink: join.go holds the two and
// how they end, source.go and sink.go what an end does on either side,
// urgent.go what is urgent in a stream.
//
// # Streams
//
// Every byte arrives, in order. The end-of-file of one end becomes a
// half-close of the other, and the other direction goes on for as long as it
// wants. Where an end cannot half-close, nothing more is written to it, and it
// is read until it finishes by itself, or a time of [Options] passes: that is
// so for datagrams, which know no end-of-file, and for kinds whose
// [socket.Socket.Shutdown] is not supported.
//
// A reset passes as a reset ([socket.Socket.Abort]), which may overtake what
// is not delivered yet, as one on the wire may; so does the error of a machine that is
// gone. An idle time, a lifetime and a context that ends reset both ends
// ([Options.CancelInOrder] excepted), but for one that was told of an end-of-file:
// that is closed, since what it was sent was whole. A kind that knows no reset, as
// unix or a pipe, is closed in its stead: its peer reads an end-of-file, and only the
// [Result] tells.
//
// A connected end that takes no more, and whose own sending nothing cut, as a unix
// peer that closed with input unread, has all of that delivered, then its
// end-of-file. What the other end still sends is dropped. An end that is over in both
// directions, as those of a [socket.WholeCloser] are at their end-of-file, ends the
// join: the other is half-closed, and read, to drop it, until it has finished too,
// for at most 2 seconds of silence and 30 in all; or closed at once, where it cannot
// be told.
//
// # Urgent data
//
// An urgent byte stays urgent and keeps its place: it is sent as urgent after
// all that came before it, and before what comes after. To know the place, Join
// sets SO_OOBINLINE on kernel streams that have urgent data, and leaves it set;
// the kernel then stops each read at the mark. When a second urgent byte
// arrives before the place of the first was reached, the kernel makes the first
// an ordinary byte (RFC 6093, section 3), and so it is passed on. Of several that
// arrived before Join, the kernel keeps the last, unless the option oobinline was
// set on the listener.
//
// An end that has no urgent data gets the byte at its place among the others;
// so does a stream cut into messages, where it is one more byte for the format
// to read. A kind with urgent data but no SO_OOBINLINE, as those in user space,
// keeps urgent data beside its stream or its messages: it is passed on as soon
// as it is seen, after the write in progress, so that it may come ahead of
// ordinary data sent before it. If the other end is cut into messages and has no
// urgent data, it is refused and counted.
//
// # Messages
//
// Each message arrives whole, as one; an empty one too, which a connected kind
// tells from end-of-file. One that does not fit is refused and counted, never
// cut: by the buffer ([Options.MaxMessage]), by the far kind (EMSGSIZE), or by
// a format that cannot carry it. What becomes of descriptors that come with a
// message of a unix socket, or with bytes of a unix stream, [FilePolicy] says.
// Credentials do not pass: whoever asks the far end's socket finds this
// process.
//
// Between an end of bytes and one of messages, the bytes need a format
// ([frame.Format]), and Join refuses the pair without ([NeedsFormatError]). Two
// streams that both have formats are joined message by message, from one format
// into the other.
//
// # Bounds
//
// A slow reader stops the fast writer: each direction holds one read, or one
// message. A join has one goroutine besides the caller's (one more for each end
// whose urgent data comes beside its stream), and, while something passes, a
// buffer for each end that it comes from: 64 KiB for a stream, and the longest
// message where the end keeps boundaries by itself. An end that waits has none
// where its kind can wait without ([socket.ReadWaiter], as the kernel's do); a
// stream that is cut into messages keeps its own. Reads, writes and messages
// allocate nothing. Messages that an end lends ([socket.Socket.LendMessages]) pass up to 128 at
// once, without that buffer, unless a filter, a pace or OnPassed is to see each.
package join
