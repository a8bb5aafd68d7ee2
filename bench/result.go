package bench

import (
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A Mode is what a run measures.
type Mode string

// The modes.
const (
	Stream    Mode = "stream"     // throughput
	RoundTrip Mode = "round-trip" // closed loop: the next request follows the answer
	AtRate    Mode = "rate"       // open loop: requests at fixed times, whatever comes back
	Connect   Mode = "connect"    // connections, one after the other
	Loaded    Mode = "loaded"     // round trips without, then with, a stream beside them
)

// A Direction is which way a stream goes, as seen from the client.
type Direction string

// The directions.
const (
	Forward Direction = "forward" // the client sends
	Reverse Direction = "reverse" // the server sends
	Both    Direction = "both"
)

// A Result is what a run measured, with its conditions.
type Result struct {
	Conditions Conditions `json:"conditions"`

	// Interrupted says that the run was ended before its time: the figures
	// cover what happened until then.
	Interrupted bool `json:"interrupted,omitempty"`

	// Elapsed is the measured time, the warm-up left out.
	Elapsed time.Duration `json:"elapsed_ns"`

	// OneProcess says that both ends are in one process, so that Near and Far
	// each tell the CPU time of both.
	OneProcess bool `json:"one_process,omitempty"`

	Near *Side `json:"near,omitempty"` // the client's figures
	Far  *Side `json:"far,omitempty"`  // the server's, if it reports them

	// Receivers are those that heard a stream to a group; Far is nil then.
	Receivers []Receiver `json:"receivers,omitempty"`

	// Latency is the distribution of the mode's times: of a round trip, which
	// at a rate counts from when the request was due, or of connecting.
	Latency *Histogram `json:"latency,omitempty"`
	// Idle is, for the mode [Loaded], the same without the load.
	Idle *Histogram `json:"idle,omitempty"`
	// Lateness is, at a rate, how long after it was due each request was
	// sent: what the generator itself, or a full buffer, adds to Latency.
	Lateness *Histogram `json:"lateness,omitempty"`
	// Unanswered are the requests that were never answered.
	Unanswered int64 `json:"unanswered,omitempty"`
	// Failed are the connections that could not be made, and why the first
	// could not.
	Failed    int64  `json:"failed,omitempty"`
	FailedFor string `json:"failed_for,omitempty"`

	Intervals []Interval `json:"intervals,omitempty"`
	TCP       *TCP       `json:"tcp,omitempty"`     // what the kernel says of the flows at this end
	FarTCP    *TCP       `json:"far_tcp,omitempty"` // the same at the server, of streams

	// Remarks are what a reader must know to trust the figures, or not to:
	// that both ends disagree, that the generator was the bottleneck. Each
	// is a sentence.
	Remarks []string `json:"remarks,omitempty"`
}

// A Side is what one end of a run sent, received and spent in the measured
// time.
type Side struct {
	Sent     Traffic `json:"sent"`
	Received Traffic `json:"received"`
	// Processor is the CPU time that the process at this end used,
	// user and system.
	Processor Processor `json:"processor"`
	// Arrivals is how messages arrived, for kinds that may lose them.
	Arrivals *Arrivals `json:"arrivals,omitempty"`
	// Corrupt are the messages whose content was not what was sent, if it
	// was checked.
	Corrupt int64 `json:"corrupt,omitempty"`
}

// Traffic is what went one way.
type Traffic struct {
	Bytes    int64         `json:"bytes"`
	Messages int64         `json:"messages,omitempty"`
	Elapsed  time.Duration `json:"elapsed_ns"` // from the first to the last of it, or the measured time
}

// BitsPerSecond returns the throughput, 0 where no time passed.
func (t Traffic) BitsPerSecond() float64 { return perSecond(float64(t.Bytes)*8, t.Elapsed) }

// MessagesPerSecond returns the same in messages.
func (t Traffic) MessagesPerSecond() float64 { return perSecond(float64(t.Messages), t.Elapsed) }

func perSecond(n float64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return n / d.Seconds()
}

// Add adds what went over another flow at the same time.
func (t *Traffic) Add(u Traffic) {
	t.Bytes += u.Bytes
	t.Messages += u.Messages
	t.Elapsed = max(t.Elapsed, u.Elapsed)
}

// Processor is CPU time.
type Processor struct {
	User   time.Duration `json:"user_ns"`
	System time.Duration `json:"system_ns"`
	// Shared says that the process did more meanwhile: other clients of a
	// server, or both ends of the run.
	Shared bool `json:"shared,omitempty"`
}

// Total returns both together.
func (p Processor) Total() time.Duration { return p.User + p.System }

// An Interval is a part of the measured time.
type Interval struct {
	Start   time.Duration `json:"start_ns"` // since the measured time began
	End     time.Duration `json:"end_ns"`
	WarmUp  bool          `json:"warm_up,omitempty"` // it came before the measured time, and Start is negative
	Traffic Traffic       `json:"traffic"`           // what this end sent and received
	// Median is that of the times measured in the interval, 0 where there is
	// none.
	Median time.Duration `json:"median_ns,omitempty"`
	Max    time.Duration `json:"max_ns,omitempty"`
}

// TCP is what the kernel says of the flows of a run at one end (TCP_INFO).
// Counters and times are sums over the flows; the others are of the first.
type TCP struct {
	Retransmits        int           `json:"retransmits"` // segments retransmitted
	BytesRetransmitted uint64        `json:"bytes_retransmitted"`
	RTT                time.Duration `json:"rtt_ns"`
	MinRTT             time.Duration `json:"min_rtt_ns"`
	CongestionWindow   int           `json:"congestion_window"` // segments
	// What held the sender back, out of the time that data was under way.
	Busy              time.Duration `json:"busy_ns"`
	WindowLimited     time.Duration `json:"window_limited_ns"`      // the receiver's window
	SendBufferLimited time.Duration `json:"send_buffer_limited_ns"` // a send buffer that was too small
}

// Add adds what the kernel says of one more flow; it does nothing for a
// socket over which there is no TCP.
func (t *TCP) Add(s *socket.Socket) (ok bool) {
	info, err := option.ConnectionInfo.Get(s)
	if err != nil {
		return false
	}
	t.merge(&TCP{info.TotalRetransmits, info.BytesRetransmitted, info.RTT, info.MinRTT, info.CongestionWindow,
		info.Busy, info.WindowLimited, info.SendBufferLimited})
	return true
}

// merge adds what the kernel says of other flows.
func (t *TCP) merge(u *TCP) {
	if t.Busy == 0 && t.RTT == 0 {
		t.RTT, t.MinRTT, t.CongestionWindow = u.RTT, u.MinRTT, u.CongestionWindow
	}
	t.Retransmits += u.Retransmits
	t.BytesRetransmitted += u.BytesRetransmitted
	t.Busy += u.Busy
	t.WindowLimited += u.WindowLimited
	t.SendBufferLimited += u.SendBufferLimited
}

// Corrupt is how many messages either end received with content that was
// not sent.
func (r *Result) Corrupt() (n int64) {
	sides := []*Side{r.Near, r.Far}
	for i := range r.Receivers {
		sides = append(sides, r.Receivers[i].Side)
	}
	for _, s := range sides {
		if s != nil {
			n += s.Corrupt
		}
	}
	return n
}
