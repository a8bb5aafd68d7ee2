package admin

import (
	"sync"
	"time"

	"zocalo/socket"
)

// keptCalls bounds the socket calls that are remembered, and followed the sockets that
// they are told apart by.
const (
	keptCalls = 2000
	followed  = 4096
)

// Calls remember the latest socket calls, and whose they were. [Calls.See] is a hook for
// [socket.SetTrace].
type Calls struct {
	kept *ring[TracedCall]

	mu      sync.Mutex
	sockets map[int]*tracedSocket // by descriptor
	last    int64
}

// A TracedCall is a socket call with the socket that it was made on.
type TracedCall struct {
	ID     int64   `json:"id"`
	Time   int64   `json:"time"`   // Unix, in microseconds
	Took   float64 `json:"took"`   // microseconds
	Socket int64   `json:"socket"` // numbers sockets; descriptors are used again
	Role   string  `json:"role"`   // "listener", "accepted", "connected" or, not known yet, ""
	Name   string  `json:"name"`   // "accept"
	Text   string  `json:"text"`   // "accept(7) = 11, 127.0.0.1:56038"
	Result int     `json:"result"`
	Failed bool    `json:"failed,omitempty"`
	Peer   string  `json:"peer,omitempty"`  // of a socket with a connection
	Local  string  `json:"local,omitempty"` // of a listener, or of what one accepted
	From   int64   `json:"from,omitempty"`  // of an accepted one, the listener
}

type tracedSocket struct {
	id, from          int64
	role, peer, local string
}

// NewCalls returns Calls that have seen none.
func NewCalls() *Calls {
	return &Calls{kept: newRing[TracedCall](keptCalls), sockets: make(map[int]*tracedSocket)}
}

// See notes a call. It waits for nobody.
func (c *Calls) See(call socket.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of(call)
	t := TracedCall{
		Time: call.Start.UnixMicro(), Took: float64(call.Took) / float64(time.Microsecond),
		Socket: s.id, Role: s.role, Peer: s.peer, Local: s.local, From: s.from,
		Name: call.Name, Text: call.String(), Result: call.Result, Failed: call.Err != nil,
	}
	c.kept.add(func(id int64) TracedCall { t.ID = id; return t })
	if call.Name == "close" {
		delete(c.sockets, call.FD)
	}
}

// of is the socket that a call was made on, or made, with what the call tells of it.
func (c *Calls) of(call socket.Call) *tracedSocket {
	worked := call.Err == nil
	switch call.Name {
	case "socket":
		if worked {
			return c.follow(call.Result, &tracedSocket{})
		}
		return &tracedSocket{}
	case "accept":
		l := c.at(call.FD)
		if worked {
			return c.follow(call.Result, &tracedSocket{role: "accepted", peer: call.Detail, local: l.local, from: l.id})
		}
		return l
	}
	s := c.at(call.FD)
	switch {
	case !worked:
	case call.Name == "bind":
		s.local = call.Args
	case call.Name == "listen":
		s.role = "listener"
	case call.Name == "connect":
		s.role = "connected"
	}
	if call.Name == "connect" {
		s.peer = call.Args // of an attempt that failed too
	}
	return s
}

func (c *Calls) at(fd int) *tracedSocket {
	if s := c.sockets[fd]; s != nil {
		return s
	}
	return c.follow(fd, &tracedSocket{}) // made before the trace began
}

func (c *Calls) follow(fd int, s *tracedSocket) *tracedSocket {
	c.last++
	s.id = c.last
	if len(c.sockets) < followed {
		c.sockets[fd] = s
	}
	return s
}
