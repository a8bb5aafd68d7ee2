package socket

import (
	"sync/atomic"
	"syscall"

	"zocalo/internal/sys"
)

// CountMoves counts the bytes that splice(2) and sendfile(2) move until undo.
func CountMoves() (spliced, sent *atomic.Int64, undo func()) {
	spliced, sent = new(atomic.Int64), new(atomic.Int64)
	counted := func(call func(int, int, int) (int, syscall.Errno), sum *atomic.Int64) func(int, int, int) (int, syscall.Errno) {
		return func(a, b, max int) (int, syscall.Errno) {
			n, errno := call(a, b, max)
			sum.Add(int64(n))
			return n, errno
		}
	}
	splice, sendfile = counted(sys.Splice, spliced), counted(sys.Sendfile, sent)
	return spliced, sent, func() { splice, sendfile = sys.Splice, sys.Sendfile }
}
