package iperf3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"zocalo/bench"
	"zocalo/internal/units"
)

// parameters are a test as a client sends it to a server.
type parameters struct {
	TCP        flag   `json:"tcp,omitempty"`
	UDP        flag   `json:"udp,omitempty"`
	SCTP       flag   `json:"sctp,omitempty"`
	Omit       number `json:"omit"`       // seconds
	Time       number `json:"time"`       // seconds
	Bytes      number `json:"num"`        // 0 for no such end
	Blocks     number `json:"blockcount"` // 0 for no such end
	Segment    number `json:"MSS,omitempty"`
	NoDelay    flag   `json:"nodelay,omitempty"`
	Flows      number `json:"parallel"`
	Reverse    flag   `json:"reverse,omitempty"`
	Both       flag   `json:"bidirectional,omitempty"`
	Window     number `json:"window,omitempty"`
	Size       number `json:"len"`
	Rate       number `json:"bandwidth,omitempty"` // bits a second of each flow
	PacingRate number `json:"fqrate,omitempty"`    // the same, for the kernel
	PacingTick number `json:"pacing_timer"`        // microseconds; ours is the clock's
	Burst      number `json:"burst,omitempty"`
	TOS        number `json:"TOS,omitempty"`
	Congestion string `json:"congestion,omitempty"`
	Output     digit  `json:"get_server_output,omitempty"`
	Counters64 digit  `json:"udp_counters_64bit,omitempty"`
	ZeroCopy   digit  `json:"zerocopy,omitempty"`
	DontCut    digit  `json:"dont_fragment,omitempty"`
	Version    string `json:"client_version,omitempty"`
	Login      string `json:"authtoken,omitempty"`
}

// assumed is what a server of iperf3 takes for parameters that do not come: a
// client of 3.0 leaves out the time of a test that bytes end.
func assumed() parameters { return parameters{Time: number(DefaultDuration / time.Second), Flows: 1} }

// version is the iperf3 whose protocol this package speaks.
const version = "3.12"

const pacingTick = 1000

// A flag is a truth that iperf3 writes as true or 1, as it comes.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", "1":
		*f = true
	case "false", "0", "null":
		*f = false
	default:
		return fmt.Errorf("%.20q is neither true nor false", b)
	}
	return nil
}

// A digit is a truth that iperf3 writes as 1: from 3.18 on it takes nothing
// else for some, and for the others nothing but true.
type digit flag

func (d *digit) UnmarshalJSON(b []byte) error { return (*flag)(d).UnmarshalJSON(b) }

func (d digit) MarshalJSON() ([]byte, error) {
	if d {
		return []byte("1"), nil
	}
	return []byte("0"), nil
}

// A number is one that iperf3 holds in 64 bits, with -1 as what is not known,
// which it also writes without the sign.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	if i, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*n = number(i)
		return nil
	}
	if u, err := strconv.ParseUint(string(b), 10, 64); err == nil {
		*n = number(u) // its 64 bits are those of a negative number
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	switch {
	case bytes.Equal(b, []byte("true")):
		*n = 1
	case bytes.Equal(b, []byte("false")), bytes.Equal(b, []byte("null")):
		*n = 0
	case err != nil || math.IsNaN(f):
		return fmt.Errorf("%.20q is not a number", b)
	case f >= 1<<64:
		return fmt.Errorf("%.20q has more than 64 bits", b)
	case f >= math.MaxInt64:
		*n = number(uint64(f))
	case f < math.MinInt64:
		return fmt.Errorf("%.20q has more than 64 bits", b)
	default:
		*n = number(f)
	}
	return nil
}

// int is the number as one, and -1 where it does not fit.
func (n number) int() int {
	if n < 0 || n > math.MaxInt32 {
		return -1
	}
	return int(n)
}

// seconds is the number as a duration, and -1 where it does not fit.
func (n number) seconds() time.Duration {
	if n < 0 || n > math.MaxInt32 {
		return -1
	}
	return time.Duration(n) * time.Second
}

// parameters are the test as the wire has it.
func (t *Test) parameters() parameters {
	return parameters{
		TCP: flag(!t.UDP), UDP: flag(t.UDP),
		Omit: number(t.Omit / time.Second), Time: number((t.Duration + time.Second - 1) / time.Second),
		Bytes: number(t.Bytes), Blocks: number(t.Blocks),
		Segment: number(t.Segment), NoDelay: flag(t.NoDelay), Flows: number(t.Flows),
		Reverse: flag(t.Direction == bench.Reverse), Both: flag(t.Direction == bench.Both),
		Window: number(t.Window), Size: number(t.Size), Rate: number(t.Rate), PacingRate: number(t.PacingRate), PacingTick: pacingTick, Burst: number(t.Burst),
		TOS: number(t.TOS), Congestion: t.Congestion, Output: digit(t.WantsOutput),
		Counters64: digit(t.Counters64), ZeroCopy: digit(t.ZeroCopy), DontCut: digit(t.DontCut), Version: version,
	}
}

// test is what a stranger asks for, refused where it is out of bounds.
func (p *parameters) test() (*Test, *refusal) {
	if p.SCTP {
		return nil, refuse(18, "a test over SCTP, which is not served here: use TCP or UDP")
	}
	t := &Test{
		UDP: bool(p.UDP), Direction: bench.Forward, Flows: p.Flows.int(),
		Endless: p.Time == 0 && p.Bytes == 0 && p.Blocks == 0, Duration: p.Time.seconds(), Bytes: int64(p.Bytes), Blocks: int64(p.Blocks), Omit: p.Omit.seconds(),
		Size: p.Size.int(), Rate: int64(p.Rate), PacingRate: int64(p.PacingRate), Burst: p.Burst.int(),
		Window: p.Window.int(), Segment: p.Segment.int(), Congestion: p.Congestion, NoDelay: bool(p.NoDelay),
		TOS: p.TOS.int(), DontCut: bool(p.DontCut), Counters64: bool(p.Counters64), WantsOutput: bool(p.Output), ZeroCopy: bool(p.ZeroCopy),
	}
	switch {
	case bool(p.Reverse && p.Both):
		return nil, refuse(25, "a test cannot be both reverse and bidirectional")
	case bool(p.Reverse):
		t.Direction = bench.Reverse
	case bool(p.Both):
		t.Direction = bench.Both
	}
	if t.Flows < 0 {
		return nil, refuse(codeFlows, "parallel is %d: it must be 1 to %d", p.Flows, maxFlows)
	}
	if t.Duration < 0 {
		return nil, refuse(codeDuration, "time is %d: it must be at most %s", p.Time, units.Set(maxDuration))
	}
	if t.Size < 0 || len(t.Congestion) > 15 {
		return nil, refuse(codeParameters, "len is %d, congestion %.20q: out of bounds", p.Size, t.Congestion)
	}
	t.complete(0)
	if r := t.check(); r != nil {
		return nil, r
	}
	return t, nil
}

// results are the figures of one end as the wire has them.
type results struct {
	Total   float64 `json:"cpu_util_total"` // per cent of one processor
	User    float64 `json:"cpu_util_user"`
	System  float64 `json:"cpu_util_system"`
	Resends number  `json:"sender_has_retransmits"` // 1 if retransmits are counted, 0 if not, -1 for an end that only receives
	// Congestion is the congestion control of the last flow.
	Congestion string          `json:"congestion_used,omitempty"`
	Text       string          `json:"server_output_text,omitempty"`
	JSON       json.RawMessage `json:"server_output_json,omitempty"`
	Streams    []stream        `json:"streams"`
}

// A stream is one flow of results.
type stream struct {
	ID          int     `json:"id"`
	Bytes       number  `json:"bytes"`       // without those of the time to omit
	Retransmits number  `json:"retransmits"` // -1 where they are not known
	Jitter      float64 `json:"jitter"`      // seconds
	Lost        number  `json:"errors"`
	Packets     number  `json:"packets"` // up to the greatest number; those of the time to omit too
	// Those of the time to omit, which iperf3 tells from 3.14 on.
	OmittedLost    *number `json:"omitted_errors,omitempty"`
	OmittedPackets *number `json:"omitted_packets,omitempty"`
	Start          float64 `json:"start_time"` // seconds; up to 3.1 neither is told
	End            float64 `json:"end_time"`
}

func (s *stream) UnmarshalJSON(b []byte) error {
	type plain stream
	p := plain{Retransmits: -1}
	err := json.Unmarshal(b, &p)
	*s = stream(p)
	return err
}

// streamID is the number that iperf3 gives to the flow that was opened as the
// i-th: there is no 2.
func streamID(i int) int {
	if i == 0 {
		return 1
	}
	return i + 2
}
