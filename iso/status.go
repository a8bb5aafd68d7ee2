package iso

import "zocalo/socket"

// Status implements socket.StatusTeller. What a reader is taking just now is
// not counted.
func (e *connection) Status() socket.Status {
	e.mu.Lock()
	state, p, tcp := e.state, e.passive, e.tcp
	e.mu.Unlock()
	switch {
	case state == listening && p != nil:
		waiting, most := p.Waiting()
		return socket.Status{State: "listen", Received: waiting, Unsent: most}
	case state == connecting:
		return socket.Status{State: "connecting"}
	case state != connected:
		return socket.Status{State: "unconnected"}
	}
	s, _ := tcp.Status()
	s.State = "established"
	// Expedited data shares the inbox with whoever waits for it.
	if !e.urgent.agreed && e.reading.TryTake() {
		s.Received += len(e.inbox) - e.start + len(e.held)
		e.reading.Give()
	}
	if e.writing.TryTake() {
		s.Unsent += len(e.owed)
		e.writing.Give()
	}
	return s
}

// Status implements socket.StatusTeller.
func (d *datagram) Status() socket.Status {
	s, _ := d.udp.Status()
	s.State = "unconnected"
	if !d.Peer().IsZero() {
		s.State = "established"
	}
	return s
}
