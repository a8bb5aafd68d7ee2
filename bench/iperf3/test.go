package iperf3

import (
	"fmt"
	"math"
	"time"

	"zocalo/bench"
	"zocalo/internal/units"
)

// A Test is what a client wants to be measured. The zero value, apart from
// the end, is one flow of TCP from the client to the server.
type Test struct {
	UDP       bool
	Direction bench.Direction // "" is forward
	Flows     int             // at once, each way; 0 is 1, and 128 are the most

	// What ends the test: one of the three. With none of them it lasts
	// DefaultDuration. Bytes and Blocks are of all flows of one direction
	// together. Endless has a server measure until the client says that the
	// test is over.
	Endless  bool
	Duration time.Duration // of the measured time, at most maxDuration
	Bytes    int64
	Blocks   int64 // writes, or datagrams

	Omit     time.Duration // from the beginning, which is not measured: whole seconds, up to maxOmit
	Interval time.Duration // of interval reports; 0 is none

	// Size is that of a write, or of a datagram, in bytes: 16 to maxDatagram
	// for datagrams, 1 to maxBlock else. 0 is 128 KiB, and for datagrams what
	// fits a segment of the control connection.
	Size int

	// Rate is that of each flow, in bits a second; 0 is as fast as it goes,
	// negative is 0. Burst is how many blocks are sent at once to keep to it,
	// at most maxBurst; 0 is 1, and leaves it to a server.
	Rate  int64
	Burst int

	// PacingRate is the bound in bits a second by which the kernel spaces what
	// each flow sends (SO_MAX_PACING_RATE), at both ends; 0 is none.
	PacingRate int64

	Window      int    // bytes of each socket's buffers; 0 is the system's own
	Segment     int    // TCP_MAXSEG; 0 is the system's own
	Congestion  string // TCP_CONGESTION at both ends; "" is the system's own
	NoDelay     bool   // TCP_NODELAY at both ends
	TOS         int    // the byte of DSCP and ECN of the packets at both ends
	DontCut     bool   // UDP: packets must not be fragmented
	Counters64  bool   // UDP: numbers of eight bytes
	WantsOutput bool   // the server is asked for what it prints

	// ZeroCopy is told the server, whose sender may then use sendfile. The
	// flows of this package copy either way, and say so in the report.
	ZeroCopy bool
}

// Bounds, which are iperf3's own.
const (
	DefaultDuration = 10 * time.Second
	maxDuration     = 24 * time.Hour
	maxOmit         = 600 * time.Second
	maxFlows        = 128
	maxBlock        = 1 << 20
	maxDatagram     = 65507
	maxBurst        = 1000
	maxWindow       = 512 << 20
	maxSegment      = 9 << 10
)

const (
	defaultBlock   = 128 << 10
	leastDatagram  = 16
	normalDatagram = 1460 // where the control connection has no segment size
)

func (t *Test) counted() bool  { return t.Bytes > 0 || t.Blocks > 0 }
func (t *Test) forward() bool  { return t.Direction != bench.Reverse }
func (t *Test) backward() bool { return t.Direction == bench.Reverse || t.Direction == bench.Both }

// complete puts the defaults in place. segment is the segment size of the
// control connection, 0 where it has none.
func (t *Test) complete(segment int) {
	if t.Direction == "" {
		t.Direction = bench.Forward
	}
	t.Flows = max(t.Flows, 1)
	if !t.counted() && t.Duration <= 0 && !t.Endless {
		t.Duration = DefaultDuration
	}
	if t.counted() {
		t.Duration = 0
	}
	switch {
	case t.Size > 0:
	case !t.UDP:
		t.Size = defaultBlock
	case segment > 0:
		t.Size = min(max(segment, leastDatagram), maxDatagram)
	default:
		t.Size = normalDatagram
	}
	t.Rate = max(t.Rate, 0)
}

// Check reports what of the test is out of bounds. The defaults are put in
// place first, in a copy.
func (t Test) Check() error {
	if t.Omit%time.Second != 0 {
		return fmt.Errorf("iperf3: %s to omit: it must be whole seconds", units.Set(t.Omit))
	}
	t.complete(0)
	if r := t.check(); r != nil {
		return fmt.Errorf("iperf3: %w", r)
	}
	return nil
}

// check refuses what is out of bounds, after complete.
func (t *Test) check() *refusal {
	switch {
	case t.Direction != bench.Forward && t.Direction != bench.Reverse && t.Direction != bench.Both:
		return refuse(codeUnsupported, "a test of direction %q: it is %s, %s or %s", t.Direction, bench.Forward, bench.Reverse, bench.Both)
	case t.Flows > maxFlows:
		return refuse(codeFlows, "%d flows: %d is the most", t.Flows, maxFlows)
	case t.Duration < 0 || t.Duration > maxDuration:
		return refuse(codeDuration, "a test of %s: %s is the most", units.Set(t.Duration), units.Set(maxDuration))
	case t.Bytes < 0 || t.Blocks < 0:
		return refuse(codeParameters, "less than no bytes or blocks")
	case t.Size > 0 && t.Blocks > math.MaxInt64/int64(t.Size):
		return refuse(codeParameters, "%d blocks of %d bytes: too many to count", t.Blocks, t.Size)
	case t.Bytes > 0 && t.Blocks > 0:
		return refuse(16, "both bytes and blocks end the test: give one")
	case t.Omit < 0 || t.Omit > maxOmit:
		return refuse(codeOmit, "%s to omit: %s is the most", units.Set(t.Omit), units.Set(maxOmit))
	case t.UDP && (t.Size < leastDatagram || t.Size > maxDatagram):
		return refuse(codeUDPBlockSize, "datagrams of %d bytes: the size must be %d to %d", t.Size, leastDatagram, maxDatagram)
	case t.Size < 1 || t.Size > maxBlock:
		return refuse(codeBlockSize, "blocks of %d bytes: %d is the most", t.Size, maxBlock)
	case t.Burst < 0 || t.Burst > maxBurst:
		return refuse(codeBurst, "bursts of %d blocks: %d is the most", t.Burst, maxBurst)
	case t.PacingRate < 0:
		return refuse(codeParameters, "a negative pacing rate of %d", t.PacingRate)
	case t.Window < 0 || t.Window > maxWindow:
		return refuse(codeWindow, "a window of %d bytes: %d is the most", t.Window, maxWindow)
	case t.Segment < 0 || t.Segment > maxSegment:
		return refuse(codeSegment, "segments of %d bytes: %d is the most", t.Segment, maxSegment)
	case t.TOS < 0 || t.TOS > 255:
		return refuse(codeTOS, "a type of service of %d: it must be 0 to 255", t.TOS)
	}
	return nil
}
