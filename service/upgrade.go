package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"zocalo/socket"
)

// ErrHanding refuses a reload while another process takes the services over.
var ErrHanding = errors.New("another process is taking the services over: nothing is changed meanwhile")

// upgradePatience is how long the other process may take to begin.
const upgradePatience = 2 * time.Minute

// A passing is what one message hands over: the sockets of a listener, or a word of what
// goes on.
type passing struct {
	Version int               `json:"zocalo,omitempty"` // the first message has it
	PID     int               `json:"pid,omitempty"`    // of the sender
	Notes   map[string]string `json:"notes,omitempty"`  // of the program's
	Key     string            `json:"key,omitempty"`    // of a listener, with its sockets
	End     bool              `json:"end,omitempty"`    // there are no more
	Ready   bool              `json:"ready,omitempty"`  // the new process serves
	Over    bool              `json:"over,omitempty"`   // the old one accepts nothing any more

	sockets []*socket.Socket
}

// upgradeVersion is that of the messages.
const upgradeVersion = 1

// handing collects duplicates of all that listens.
func (s *Set) handing() (all []passing, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.life == nil {
		return nil, errors.New("the services are ending, or have not begun")
	}
	if s.handingOver {
		return nil, ErrHanding
	}
	defer func() {
		if err != nil {
			closePassings(all)
		}
	}()
	for _, u := range s.units {
		g := u.current()
		u.mu.Lock()
		addresses, listeners := g.told.listens(), slices.Clone(g.listeners)
		u.mu.Unlock()
		for i, l := range listeners {
			sockets, err := l.Duplicates()
			var lacks *socket.UnsupportedError
			switch {
			case errors.As(err, &lacks): // the other process says what it lacks
				continue
			case err != nil:
				return all, err
			}
			all = append(all, passing{Key: handedKey(u.name, addresses[i]), sockets: sockets})
		}
	}
	if e := s.server; e != nil {
		a, err := metricsAddress(e.text)
		if err != nil {
			return all, err
		}
		sockets, err := e.listener.Duplicates()
		if err != nil {
			return all, err
		}
		all = append(all, passing{Key: handedKey(metricsName, a), sockets: sockets})
	}
	s.handingOver = true
	return all, nil
}

// metricsName is that of what no service listens on.
const metricsName = "metrics="

func closePassings(all []passing) {
	for _, p := range all {
		for _, c := range p.sockets {
			c.Close()
		}
	}
}

// keep goes on, since the other process did not begin.
func (s *Set) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handingOver = false
}

// handOver stops accepting, and lets what is open go on for as long as it takes.
func (s *Set) handOver() {
	s.mu.Lock()
	s.over = true
	units := slices.Clone(s.units)
	server := s.server
	s.server = nil
	s.mu.Unlock()
	for _, u := range units {
		g := u.current()
		u.mu.Lock()
		for _, l := range g.listeners {
			keepFiles(l, true)
		}
		u.mu.Unlock()
		if g.isDatagrams() {
			g.abort()
		} else {
			g.retire(-1)
		}
	}
	server.end()
	for _, u := range units {
		u.current().awaitClosed()
	}
	close(s.handedOver)
}

// whenHanded waits for what was open when another process took over, or for ctx to end.
func (s *Set) whenHanded(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	case <-s.aborted:
	}
}
