package iperf3

import (
	"sync"
	"sync/atomic"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// A flow is one stream of a test at one end, which sends or receives.
type flow struct {
	s     *socket.Socket
	id    int
	sends bool

	bytes   atomic.Int64
	packets atomic.Int64 // blocks sent, or datagrams sent or received
	// Of a flow of datagrams all counts change together.
	mu      sync.Mutex
	arrived arrivals  // datagrams received
	at      time.Time // when the last of them came

	base, last mark // where the measured time begins and ends
	err        error
}

// arrivals are the datagrams that a flow received, counted as iperf3 does.
type arrivals struct {
	greatest   int64 // number, from 1
	omitted    int64 // the greatest number of the time to omit
	lost       int64 // numbers left out, less those that came late
	late       int64 // came after a greater number, or again
	jitter     float64
	transit    time.Duration
	hasTransit bool
}

// add counts a datagram with its number, and the time that it took, which
// may be counted from any moment. One of the time to omit that comes after it
// does not count.
func (a *arrivals) add(number int64, transit time.Duration) (counts bool) {
	switch {
	case number <= a.omitted:
		return false
	case number > a.greatest:
		a.lost += number - a.greatest - 1
		a.greatest = number
	default:
		a.late++
		a.lost = max(a.lost-1, 0)
	}
	if a.hasTransit {
		// RFC 1889, section 6.3.1.
		d := (transit - a.transit).Seconds()
		a.jitter += (max(d, -d) - a.jitter) / 16
	}
	a.transit, a.hasTransit = transit, true
	return true
}

// rebase begins anew, but for the numbers.
func (a *arrivals) rebase() { *a = arrivals{greatest: a.greatest, omitted: a.greatest} }

// rebase begins the measured time of the flow here.
func (f *flow) rebase() {
	f.mu.Lock()
	f.arrived.rebase()
	f.mu.Unlock()
	f.base = f.mark()
}

// A mark is what a flow had counted at a time.
type mark struct {
	bytes       int64
	packets     int64 // received: up to the greatest number
	moved       int64 // those that were counted one by one
	lost, late  int64
	jitter      float64
	retransmits int // -1 where they are not known
}

func (f *flow) mark() mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := mark{bytes: f.bytes.Load(), packets: f.packets.Load(), moved: f.packets.Load(), retransmits: -1}
	if !f.sends {
		m.packets, m.lost, m.late, m.jitter = f.arrived.greatest, f.arrived.lost, f.arrived.late, f.arrived.jitter
	} else if info, err := option.ConnectionInfo.Get(f.s); err == nil {
		m.retransmits = info.TotalRetransmits
	}
	return m
}

// wire is the flow's figures as its peer is told them.
func (f *flow) wire(elapsed time.Duration, udp bool) stream {
	w := stream{ID: f.id, Bytes: number(f.last.bytes - f.base.bytes), Retransmits: -1, End: elapsed.Seconds()}
	switch {
	case udp:
		// From 3.14 on the peer takes away what was omitted, and before it counts
		// what it is told as lost: all versions understand that nothing was.
		lost, packets := number(0), number(f.base.packets)
		w.Packets, w.Lost, w.Jitter = number(f.last.packets), number(f.last.lost), f.last.jitter
		w.OmittedLost, w.OmittedPackets = &lost, &packets
	case f.last.retransmits >= 0:
		w.Retransmits = number(f.last.retransmits - max(f.base.retransmits, 0))
	}
	return w
}
