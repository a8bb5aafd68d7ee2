package socket

// ZeroCopies say which of the system's completions concern one message that
// was sent with the flag [ZeroCopy]: Count of them, numbered from First on,
// after 1<<32-1 from 0 again. A datagram has one; a stream that took the
// message in parts, and a train that was cut, have one for each part. Count is
// 0 where the system took the data with it at once, since [option.AllowZeroCopy] is
// not set: the memory is free already.
//
// The numbers count the calls of this package on the socket. Calls that others
// make on the same descriptor with MSG_ZEROCOPY, and those before [FromFD],
// are not seen, and shift them. On vsock, which may need several completions
// for one call, they are not to be relied on.
type ZeroCopies struct {
	First, Count uint32

	completed uint32
}

// Complete takes note of a completion, the first and last that
// [QueuedError.ZeroCopied] returns, and reports whether the message's memory
// is free: every one of its completions has come. Each completion of the
// socket is to be shown to the ZeroCopies of every message that is under way,
// once: one may concern several of them, and they come in any order.
func (z *ZeroCopies) Complete(first, last uint32) bool {
	// Both ranges counted from z.First, so that the numbers may start again.
	from, to := int64(int32(first-z.First)), int64(int32(last-z.First))
	if n := min(to, int64(z.Count)-1) - max(from, 0) + 1; n > 0 {
		z.completed += uint32(n)
	}
	return z.Done()
}

// Done reports whether the memory is free.
func (z *ZeroCopies) Done() bool { return z.completed >= z.Count }

// add notes one more call, of that number.
func (z *ZeroCopies) add(number uint32) {
	if z.Count == 0 {
		z.First = number
	}
	z.Count++
}
