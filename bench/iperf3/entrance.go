package iperf3

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"zocalo/internal/units"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Datagrams have no cookie, so nothing but the order tells whose flow begins
// with one. Therefore one session at a time waits at the entrance of an
// address: the socket that is bound and not connected, which each flow's first
// datagram comes to. That socket is then connected, and is the flow; the next
// one takes its place before the client is answered.

// gatherDatagrams gathers flows of datagrams.
func (n *session) gatherDatagrams(r *run, taking, sending int) error {
	if err := n.reserve(taking + sending); err != nil {
		return err
	}
	leave, err := n.enter()
	if err != nil {
		return err
	}
	defer leave()
	door, err := n.door(r.test)
	if err != nil {
		return err
	}
	defer func() { door.Close() }()
	if err := n.send(createStreams); err != nil {
		return err
	}
	end := time.Now().Add(strangerPatience)
	for i := range taking + sending {
		client, err := n.knocked(door, end)
		if err != nil {
			return err
		}
		s := door
		if err := s.Connect(n.ctx, client); err != nil {
			return err
		}
		r.add(s, i >= taking)
		// What others sent while it was open to all is not of this flow.
		if door, err = n.door(r.test); err != nil {
			door = s
			return err
		}
		if _, err := s.Write(opened[:]); err != nil && !passing(err) {
			return err
		}
		s.SetReadDeadline(time.Time{})
	}
	return nil
}

// reserve counts the session's flows until it is removed: no listener bounds
// them, as it does connections.
func (n *session) reserve(flows int) error {
	v := n.serving
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mostDatagrams > 0 && v.datagrams+flows > v.mostDatagrams {
		return refuse(codeFlows, "%d flows of datagrams beside %d that are there: at most %d at once", flows, v.datagrams, v.mostDatagrams)
	}
	v.datagrams += flows
	n.datagrams = flows
	return nil
}

// enter waits until no other session is at the entrance of the address.
func (n *session) enter() (leave func(), err error) {
	v := n.serving
	v.mu.Lock()
	taken, ok := v.entrances[n.s.Name()]
	if !ok {
		taken = make(chan struct{}, 1)
		v.entrances[n.s.Name()] = taken
	}
	v.mu.Unlock()
	ear := n.listen()
	defer ear.stop()
	select {
	case taken <- struct{}{}:
		return func() { <-taken }, nil
	case <-n.ctx.Done():
		return nil, errEnding
	case told := <-ear.heard:
		return nil, n.unexpected(told)
	}
}

// door returns a socket that is open to all at the address of the control
// connection.
func (n *session) door(t *Test) (*socket.Socket, error) {
	s, err := socket.New(n.s.Domain(), socket.Datagram, 0)
	if err != nil {
		return nil, err
	}
	err = option.ReuseAddress.Set(s, true)
	if err == nil {
		if refused := t.prepare(s); refused != nil {
			err = refused
		}
	}
	if err == nil {
		err = follow(s, n.s)
	}
	if err == nil {
		err = s.Bind(n.s.Name())
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("%w: %w", refuse(codeStreams, "datagrams at %v", n.s.Name()), err)
	}
	return s, nil
}

// otherAfter is how long a first datagram from another host than the client's
// waits for one of its own: what stands between may give each protocol an
// address, but a stranger's must not take the place.
const otherAfter = 300 * time.Millisecond

// knocked waits for the client's first datagram of a flow.
func (n *session) knocked(door *socket.Socket, end time.Time) (socket.Name, error) {
	door.SetReadDeadline(end)
	ear := n.listen()
	defer ear.stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-ear.done:
			door.SetReadDeadline(time.Unix(1, 0))
		case <-n.ctx.Done():
			door.SetReadDeadline(time.Unix(1, 0))
		}
	}()
	defer func() { ear.stop(); <-gone }()
	var b [64]byte
	m := socket.Message{}
	m.SetData(b[:])
	var other socket.Name
	for {
		err := door.Receive(&m)
		switch {
		case errors.Is(err, socket.ErrTruncated), passing(err):
			continue
		case err == nil && (m.Size != len(knocking) || server.Lists{Allow: n.serving.Allow, Deny: n.serving.Deny}.RefusesSender(&m) != ""):
			continue
		case err == nil && (hostOf(m.Peer) == hostOf(n.s.Peer()) || hostOf(m.Peer) == n.elsewhere):
			return m.Peer, nil
		case err == nil:
			if other.IsZero() {
				other = m.Peer
				door.SetReadDeadline(time.Now().Add(otherAfter))
			}
			continue
		case n.ctx.Err() != nil:
			return socket.Name{}, errEnding
		}
		select {
		case told := <-ear.heard:
			return socket.Name{}, n.unexpected(told)
		default:
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !other.IsZero() {
			n.elsewhere = hostOf(other)
			return other, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return socket.Name{}, refuse(codeStreams, "a flow's first datagram did not come within %s: a firewall may let TCP pass, and not UDP", units.Set(strangerPatience))
		}
		return socket.Name{}, err
	}
}

func hostOf(n socket.Name) netip.Addr { return n.AddrPort().Addr().Unmap() }
