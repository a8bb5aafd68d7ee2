// Package frame puts messages on a stream: a stream keeps the order of its
// bytes but not the boundaries of its messages, so both ends must agree on a
// format that marks them.
//
// A [Format] is such an agreement, read from its name by [Parse]. A [Reader]
// takes the messages out of a stream, a [Writer] puts them in, and
// [Format.Append] encodes one into memory, so that many can go out in one write.
//
// # Formats
//
//	name        on the wire                                  empty message  longest message
//	lines       bytes, then \n                              yes            the limit
//	len16       length in 2 bytes, big-endian, then bytes  yes            65535
//	len32       length in 4 bytes, big-endian, then bytes  yes            4294967295
//	varint      length as a protobuf varint, then bytes     yes            the limit
//	netstring   length in decimal, ':', bytes, ','          yes            the limit
//	fixed:N     exactly N bytes                             no             N
//	chunk:N     at most N bytes, as one read returns them   no             N
//
// Messages are bytes, never text: nothing is trimmed, translated or decoded.
//
// lines: a line ends at \n alone. A \r before it belongs to the message, so that
// what went in comes out; whoever talks to a peer that ends lines with \r\n sees
// the \r and can trim it. The last line of a stream counts even if no \n ends it,
// and no empty message follows a final \n. A message that holds \n is refused.
//
// varint: the unsigned base-128 number of Protocol Buffers ("Encoding", base 128
// varints; there named "delimited"), of at most 10 bytes and 64 bits. A number
// not in its shortest form is refused.
//
// netstring: as D. J. Bernstein defined it (Netstrings, 1997): no leading zeros, no
// sign, no spaces, and the comma is checked. A length has at most 19 digits.
//
// fixed:N: a stream that ends within a message is an error; nothing is padded.
//
// chunk:N: no agreement at all, for a peer that has none. One read makes one
// message, so what one end wrote as one message may reach the other in pieces or
// joined to the next. Writing adds nothing to the message.
//
// # Refusals and failures
//
// A message that is refused, whether too long for the limit ([TooLongError]) or
// one that the format cannot carry ([RefusedError]), leaves the stream in order:
// the next message can be read or written. Both kinds match [ErrRefused]. A stream
// that breaks its format ([MalformedError]), ends inside a message
// ([io.ErrUnexpectedEOF]) or took only a part of one ([Writer.Write]) cannot be
// used further.
//
// The package is not for encoding what is inside a message, and does no input or
// output but through the [io.Reader] or [io.Writer] given to it: deadlines,
// cancellation and closing are theirs.
package frame
