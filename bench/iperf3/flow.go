package iperf3

import (
	"sync"
	"sync/atomic"
	"time"

	"zocalo/socket"
)

// A flow is one stream of a test at one end, which sends or receives.
type flow struct {
	s     *socket.Socket
	id    int
	sends bool

	octets  atomic.Int64
	packets atomic.Int64 // sent: blocks, or datagrams
	// Of a flow of datagrams all counts change together.
	mu      sync.Mutex
	arrived arrivals // datagrams received

	base, last mark // where the measured time begins and ends
	err        error
}

// arrivals are the datagrams that a flow received, counted as iperf3 does.
type arrivals struct {
	greatest   int64 // number, from 1
	lost       int64 // numbers left out, less those that came late
	late       int64 // came after a greater number, or again
	jitter     float64
	transit    time.Duration
	hasTransit bool
}

// add counts a datagram with its number, and the time that it took, which
// may be counted from any moment.
func (a *arrivals) add(number int64, transit time.Duration) {
	switch {
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
}

// A mark is what a flow had counted at a time.
type mark struct {
	octets      int64
	packets     int64
	lost, late  int64
	jitter      float64
	retransmits int // -1 where they are not known
}

func (f *flow) mark() mark {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := mark{octets: f.octets.Load(), packets: f.packets.Load(), retransmits: -1}
	if !f.sends {
		m.packets, m.lost, m.late, m.jitter = f.arrived.greatest, f.arrived.lost, f.arrived.late, f.arrived.jitter
	} else if info, err := socket.ConnectionInfo.Get(f.s); err == nil {
		m.retransmits = info.TotalRetransmits
	}
	return m
}

// wire is the flow's figures as its peer is told them.
func (f *flow) wire(elapsed time.Duration, udp bool) stream {
	w := stream{ID: f.id, Octets: number(f.last.octets - f.base.octets), Retransmits: -1, End: elapsed.Seconds()}
	switch {
	case udp:
		lost, packets := number(f.base.lost), number(f.base.packets)
		w.Packets, w.Lost, w.Jitter = number(f.last.packets), number(f.last.lost-f.base.lost), f.last.jitter
		w.OmittedLost, w.OmittedPackets = &lost, &packets
	case f.last.retransmits >= 0:
		w.Retransmits = number(f.last.retransmits - max(f.base.retransmits, 0))
	}
	return w
}
