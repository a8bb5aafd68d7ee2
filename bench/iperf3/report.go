package iperf3

import (
	"cmp"
	"fmt"
	"time"

	"zocalo/bench"
	"zocalo/socket/option"
)

// A Report is what a test found at both ends.
type Report struct {
	Test        Test
	Cookie      string
	Interrupted bool // it was ended before its time
	Started     time.Time
	Elapsed     time.Duration // of the measured time
	Near        End
	Far         *End // nil where the other end has not told
	Intervals   []bench.Interval
	TCP         *bench.TCP // what the kernel says of the flows at this end

	// Output is what the server printed, where the client asked for it.
	Output string

	conditions bench.Conditions
}

// An End is what one end found.
type End struct {
	Flows      []Flow
	Processor  [2]float64 // user, system: per cent of one processor
	Congestion string     // congestion control of the flows, "" where it is not known
}

// A Flow is what one end found of a flow.
type Flow struct {
	ID          int
	Sends       bool // at this end
	Bytes       int64
	Elapsed     time.Duration
	Packets     int64 // datagrams sent or, at the other end, up to the greatest number that arrived
	Lost        int64 // of them, never arrived
	Late        int64 // came after one of a greater number, or twice; 0 for the far end, which does not tell
	Jitter      time.Duration
	Retransmits int // -1 where they are not known
}

// report is what this end found, after halt.
func (r *run) report(c cookie) *Report {
	p := &Report{Test: *r.test, Cookie: c.String(), Started: r.started, Elapsed: r.elapsed()}
	for _, f := range r.flows {
		p.Near.Flows = append(p.Near.Flows, Flow{
			ID: f.id, Sends: f.sends, Bytes: f.last.bytes - f.base.bytes, Elapsed: r.elapsed(),
			Packets: f.last.packets - f.base.packets, Lost: f.last.lost, Late: f.last.late,
			Jitter: time.Duration(f.last.jitter * float64(time.Second)), Retransmits: f.retransmits(),
		})
	}
	p.Near.Processor = r.share()
	if len(r.flows) > 0 {
		s := r.flows[0].s
		p.conditions.Look(s)
		p.Near.Congestion, _ = option.Congestion.Get(s)
	}
	for _, f := range r.flows {
		tcp := p.TCP
		if tcp == nil {
			tcp = &bench.TCP{}
		}
		if f.sends && tcp.Add(f.s) {
			p.TCP = tcp
		}
	}
	return p
}

func (f *flow) retransmits() int {
	if f.last.retransmits < 0 {
		return -1
	}
	return f.last.retransmits - max(f.base.retransmits, 0)
}

// share is the processor time of the measured time, in per cent of it.
func (r *run) share() [2]float64 {
	e := max(r.elapsed(), time.Nanosecond).Seconds()
	return [2]float64{100 * r.spent.User.Seconds() / e, 100 * r.spent.System.Seconds() / e}
}

// results are the run's figures for the peer.
func (r *run) results() *results {
	share := r.share()
	w := &results{Total: share[0] + share[1], User: share[0], System: share[1], Resends: -1, Streams: []stream{}}
	for _, f := range r.flows {
		s := f.wire(r.elapsed(), r.test.UDP)
		w.Streams = append(w.Streams, s)
		if f.sends {
			w.Resends = max(w.Resends, 0)
			if s.Retransmits >= 0 {
				w.Resends = 1
			}
		}
		if name, err := option.Congestion.Get(f.s); err == nil {
			w.Congestion = name
		}
	}
	return w
}

// hear adds the other end's figures. They must be of the same flows.
func (p *Report) hear(w *results) error {
	if len(w.Streams) != len(p.Near.Flows) {
		return fmt.Errorf("the peer has figures of %d flows, and there were %d", len(w.Streams), len(p.Near.Flows))
	}
	far := &End{Processor: [2]float64{percent(w.User), percent(w.System)}, Congestion: printable(w.Congestion)}
	for _, near := range p.Near.Flows {
		s, ok := find(w.Streams, near.ID)
		if !ok {
			return fmt.Errorf("the peer has no figures of flow %d", near.ID)
		}
		f := Flow{
			ID: s.ID, Sends: !near.Sends, Bytes: max(int64(s.Bytes), 0), Elapsed: cmp.Or(seconds(s.End-s.Start), near.Elapsed),
			Packets: max(int64(s.Packets), 0), Lost: max(int64(s.Lost), 0), Jitter: seconds(s.Jitter), Retransmits: int(max(s.Retransmits, -1)),
		}
		if f.Sends {
			f.Lost, f.Jitter = 0, 0 // iperf3 sends back what this end has told it
		}
		if s.OmittedLost != nil {
			f.Lost = max(f.Lost-int64(*s.OmittedLost), 0)
		}
		if s.OmittedPackets != nil {
			f.Packets = max(f.Packets-int64(*s.OmittedPackets), 0)
		} else if p.Test.UDP {
			// iperf3 before 3.14 counts those of the time to omit with them, but
			// not in the bytes.
			f.Packets = f.Bytes/int64(p.Test.Size) + f.Lost
		}
		far.Flows = append(far.Flows, f)
	}
	p.Far = far
	p.Output = printableText(w.Text)
	if p.Output == "" && len(w.JSON) > 0 {
		p.Output = printableText(string(w.JSON))
	}
	return nil
}

func find(list []stream, id int) (stream, bool) {
	for _, s := range list {
		if s.ID == id {
			return s, true
		}
	}
	return stream{}, false
}

// A day bounds what a stranger says to be a time.
const day = 24 * time.Hour

func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	if s > day.Seconds() {
		return day
	}
	return time.Duration(s * float64(time.Second))
}

func percent(f float64) float64 {
	if !(f > 0) || f > 1e6 {
		return 0
	}
	return f
}

// Sent is the sum of the flows on which the end sent. A stream has no messages.
func (e *End) Sent() bench.Traffic { return e.sum(true) }

// Received is the sum of those on which it received; its messages are the
// datagrams that arrived.
func (e *End) Received() bench.Traffic { return e.sum(false) }

func (e *End) sum(sends bool) (t bench.Traffic) {
	for _, f := range e.Flows {
		if f.Sends == sends {
			messages := f.Packets
			if !sends {
				messages = max(f.Packets-f.Lost, 0)
			}
			t.Add(bench.Traffic{Bytes: f.Bytes, Messages: messages, Elapsed: f.Elapsed})
		}
	}
	return t
}
