package bench

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"zocalo/socket"
)

// A report is what a server tells of a flow, as JSON in parts.
type report struct {
	Program string  `json:"program"`
	Machine Machine `json:"machine"`
	Process uint64  `json:"process"` // the same for all flows of a process
	Side    Side    `json:"side"`
	// Total counts the warm-up too.
	TotalSent     Traffic `json:"total_sent"`
	TotalReceived Traffic `json:"total_received"`
	TCP           *TCP    `json:"tcp,omitempty"` // of the flow's socket at the server
	Offloads      string  `json:"offloads,omitempty"`
	Error         string  `json:"error,omitempty"` // what ended the flow before its time
}

// reportPart is the most bytes of a part of a report: with its header it is
// a message that every kind takes.
const reportPart = 400

// maxReport bounds a report that is read.
const maxReport = 4 << 20

// encode returns the report in frames.
func (r *report) encode() ([][]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	parts := (len(text) + reportPart - 1) / reportPart
	frames := make([][]byte, parts)
	for i := range frames {
		part := text[i*reportPart : min((i+1)*reportPart, len(text))]
		h := header{kind: reportFrame, length: headerSize + len(part), number: uint64(i), stamp: int64(parts)}
		frames[i] = append(make([]byte, headerSize, h.length), part...)
		h.put(frames[i])
	}
	return frames, nil
}

// An assembly puts a report together again.
type assembly struct {
	parts [][]byte
	have  int
}

// add takes a part, which may have come before, and reports whether it was
// the last.
func (a *assembly) add(h *header, payload []byte) (complete bool, err error) {
	if h.stamp < 1 || h.stamp > maxReport/reportPart || h.number >= uint64(h.stamp) || a.parts != nil && len(a.parts) != int(h.stamp) {
		return false, fmt.Errorf("part %d of %d of a report", h.number, h.stamp)
	}
	if a.parts == nil {
		a.parts = make([][]byte, h.stamp)
	}
	if part := &a.parts[h.number]; *part == nil {
		*part = append(make([]byte, 0, len(payload)), payload...)
		a.have++
	}
	return a.have == len(a.parts), nil
}

// missing returns the first part that is not there.
func (a *assembly) missing() int {
	for i, p := range a.parts {
		if p == nil {
			return i
		}
	}
	return 0
}

// decode reads the complete report.
func (a *assembly) decode() (*report, error) {
	var text []byte
	for _, p := range a.parts {
		text = append(text, p...)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("the server's report: %w", err)
	}
	// All of it is printed, and comes from anybody.
	for _, s := range []*string{&r.Program, &r.Offloads, &r.Error, &r.Machine.System, &r.Machine.Kernel, &r.Machine.Processor, &r.Machine.Go, &r.Machine.Program} {
		*s = printable([]byte(*s))
	}
	return &r, nil
}

// writeFrame sends a frame that has a header only.
func writeFrame(s *socket.Socket, kind frameType, number uint64, stamp int64) error {
	var b [headerSize]byte
	h := header{kind: kind, length: headerSize, number: number, stamp: stamp}
	h.put(b[:])
	_, err := s.Write(b[:])
	return err
}

// isStart reports whether a message is the start of whoever knows the token.
func isStart(b []byte, token uint64) bool {
	var h header
	return len(b) == headerSize && h.parse(b) == nil && h.kind == startFrame && h.number == token
}

// isGreeting reports whether a message begins as a greeting does.
func isGreeting(b []byte) bool {
	return len(b) == greetingSize && binary.BigEndian.Uint64(b) == binary.BigEndian.Uint64([]byte(greetingWord))
}
