package xns

import "zocalo/socket"

// Status implements socket.StatusTeller.
func (e *spp) Status() socket.Status {
	e.mu.Lock()
	c, dialing, l := e.conn, e.dialing, e.listener
	e.mu.Unlock()
	switch {
	case l != nil:
		l.mu.Lock()
		defer l.mu.Unlock()
		return socket.Status{State: "listen", Received: len(l.pending), Unsent: l.backlog}
	case dialing != nil:
		return socket.Status{State: "connecting"}
	case c == nil:
		return socket.Status{State: "unconnected"}
	}
	received, unsent := c.queues()
	return socket.Status{State: "established", Received: received, Unsent: unsent}
}

// queues are the bytes that nobody has read yet, and those that the peer has not
// acknowledged.
func (c *conn) queues() (received, unsent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, s := &c.receive, &c.send
	if len(r.packets.slots) > 0 {
		for n := r.first; n != r.next; n++ {
			received += len(r.packets.at(n).data)
		}
		received -= r.offset
	}
	if len(s.packets.slots) > 0 {
		for n := s.una; n != s.end; n++ {
			unsent += s.packets.at(n).size
		}
	}
	return max(received, 0), unsent
}

// Status implements socket.StatusTeller. What was written is on the link already.
func (e *datagram) Status() socket.Status {
	q := &e.queue
	q.Lock()
	defer q.Unlock()
	s := socket.Status{State: "unconnected"}
	if q.peer != (Addr{}) {
		s.State = "established"
	}
	for i := range q.n {
		s.Received += len(q.packets[(q.first+i)%datagramQueue].data)
	}
	return s
}
