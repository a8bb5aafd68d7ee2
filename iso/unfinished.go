package iso

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"zocalo/socket/wait"
)

// mostUnfinished bounds what the messages that have begun to come and not ended
// hold at all connections of one listener, in bytes. What is no more than
// keptTSDU at a connection does not count, so that gear with messages of usual
// size never notices. It is a variable for tests alone.
var mostUnfinished int64 = 64 << 20

// A hoard is what unfinished messages hold at the connections of a listener.
type hoard struct{ bytes atomic.Int64 }

// holds sees to it that the connection may hold so many bytes of a message.
func (e *connection) holds(n int) error {
	if e.hoard == nil || n <= keptTSDU {
		return nil
	}
	more := int64(n) - e.hoarded.Load()
	if more <= 0 {
		return nil
	}
	more += keptTSDU // so that it is not asked for each TPDU
	e.hoarded.Add(more)
	full := e.hoard.bytes.Add(more) > mostUnfinished
	if full || wait.IsClosed(e.closed) {
		e.unhoard()
	}
	if full {
		return fmt.Errorf("unfinished messages hold all %d bytes that a listener has for them: %w", mostUnfinished, syscall.ENOBUFS)
	}
	return nil
}

// unhoard gives back what the connection holds.
func (e *connection) unhoard() {
	if n := e.hoarded.Swap(0); n > 0 {
		e.hoard.bytes.Add(-n)
	}
}
