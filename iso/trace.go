package iso

import (
	"time"

	"zocalo/socket"
)

// Each TPDU that a socket of these domains sends or receives is shown to the
// hook of [socket.SetTrace], as a call is: the name is "tpdu-out" or "tpdu-in",
// the descriptor that of the TCP or UDP socket, the argument what the TPDU says,
// and the result its size in bytes.

// The names of TPDUs in a trace.
const (
	traceIn  = "tpdu-in"
	traceOut = "tpdu-out"
)

// traced shows a TPDU. Data TPDUs, which are not decoded, come as
// the three things that they say.
func traced(direction string, lower socket.Endpoint, t *tpdu, size int) {
	if !socket.Tracing() {
		return
	}
	fd := -1
	if d, ok := socket.Beneath[socket.Descriptor](lower); ok {
		fd = d.FD()
	}
	socket.Trace(socket.Call{Name: direction, FD: fd, Args: t.String(), Result: size, Start: time.Now()})
}

// tracedData is traced for a DT of so many bytes of data.
func tracedData(direction string, lower socket.Endpoint, size int, end bool) {
	t := tpdu{code: codeDT, end: end, data: make([]byte, size)}
	traced(direction, lower, &t, dataHeader+size)
}
