package iso

import (
	"sync/atomic"
	"time"

	"zocalo/socket"
)

var traceHook atomic.Pointer[func(socket.Call)]

// SetTrace makes hook see each TPDU that a socket of these domains sends or
// receives, in the form in which [socket.SetTrace] shows calls: the name is
// "tpdu-out" or "tpdu-in", the descriptor that of the TCP or UDP socket, the
// argument what the TPDU says, and the result its size in octets. nil ends it.
// It is called from any goroutine. Without a hook it costs a comparison with
// nil for each TPDU.
func SetTrace(hook func(socket.Call)) {
	if hook == nil {
		traceHook.Store(nil)
		return
	}
	traceHook.Store(&hook)
}

// The names of TPDUs in a trace.
const (
	traceIn  = "tpdu-in"
	traceOut = "tpdu-out"
)

// traced shows a TPDU to the hook. Data TPDUs, which are not decoded, come as
// the three things that they say.
func traced(direction string, lower socket.Endpoint, t *tpdu, size int) {
	hook := traceHook.Load()
	if hook == nil {
		return
	}
	fd := -1
	if d, ok := socket.Beneath[socket.Descriptor](lower); ok {
		fd = d.FD()
	}
	(*hook)(socket.Call{Name: direction, FD: fd, Args: t.String(), Result: size, Start: time.Now()})
}

func tracing() bool { return traceHook.Load() != nil }

// tracedData is traced for a DT of so many octets of data.
func tracedData(direction string, lower socket.Endpoint, size int, end bool) {
	t := tpdu{code: codeDT, end: end, data: make([]byte, size)}
	traced(direction, lower, &t, dataHeader+size)
}
