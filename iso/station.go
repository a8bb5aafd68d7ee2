package iso

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// mostHalfOpen is how many connections of a TCP port may be between that of
// TCP and that of the transport. One more ends one: see wait.Handshakes.
const mostHalfOpen = 256

// stations are the TCP ports of this process that listeners may share.
var stations struct {
	sync.Mutex
	byName map[socket.Name]*station // by the name that TCP has
}

// A station is a TCP port to which sockets are bound, each with a selector.
// What comes is given to the listener that it calls.
type station struct {
	tcp  *socket.Socket
	name socket.Name

	mu        sync.Mutex // taken before that of a member
	members   map[Selector]*connection
	listening bool
	gone      chan struct{} // closed with the last member
	accepting sync.WaitGroup

	handshakes wait.Handshakes[*socket.Socket]
}

// joinStation binds a socket: to the station of that name, if there is one,
// else to a new one over the socket's own TCP socket. The caller holds e.mu.
func joinStation(e *connection, lower socket.Name, s Selector) (*station, error) {
	stations.Lock()
	defer stations.Unlock()
	st := stations.byName[lower]
	if st != nil {
		joined, taken := st.join(e, s)
		if joined {
			return st, nil
		}
		if taken {
			return nil, &socket.HintError{Err: os.NewSyscallError("bind", syscall.EADDRINUSE),
				Hint: "this program already listens there with the same selector: give another with tsap="}
		}
	}
	if err := e.tcp.Bind(lower); err != nil {
		return nil, bare(err)
	}
	n := &station{tcp: e.tcp, name: e.tcp.Name(), members: map[Selector]*connection{s: e}, gone: make(chan struct{})}
	n.handshakes = wait.Handshakes[*socket.Socket]{Run: n.shake, Peer: subscriber, Max: mostHalfOpen, Timeout: requestBound}
	if st == nil {
		if stations.byName == nil {
			stations.byName = map[socket.Name]*station{}
		}
		stations.byName[n.name] = n
	}
	return n, nil
}

// join adds a member. It returns taken where a listener has the selector; one
// that does not listen may be left to TCP to tell.
func (st *station) join(e *connection, s Selector) (joined, taken bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if other := st.members[s]; other != nil {
		return false, st.listening
	}
	st.members[s] = e
	return true, false
}

// yield gives up the station for a socket that connects, if it is alone there
// and the TCP socket is its own.
func (st *station) yield(e *connection) bool {
	stations.Lock()
	defer stations.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.members) != 1 || st.listening || st.tcp != e.tcp {
		return false
	}
	st.unregister()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.station = nil
	return true
}

// unregister makes room for another station. The caller holds stations.
func (st *station) unregister() {
	if stations.byName[st.name] == st {
		delete(stations.byName, st.name)
	}
}

// listen makes the station accept connections.
func (st *station) listen(e *connection, backlog int) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	if e.passive != nil {
		e.passive.Resize(backlog)
		return nil
	}
	if e.state != fresh {
		return os.NewSyscallError("listen", syscall.EINVAL)
	}
	if !st.listening {
		if err := st.tcp.Listen(0); err != nil {
			return bare(err)
		}
		st.listening = true
		st.accepting.Go(st.accept)
	}
	e.passive = &passive{Backlog: wait.NewBacklog[*connection](backlog), errs: make(chan error)}
	e.state = listening
	return nil
}

// leave takes a member away, and closes the port with the last one.
func (st *station) leave(e *connection) {
	stations.Lock()
	st.mu.Lock()
	for s, m := range st.members {
		if m == e {
			delete(st.members, s)
		}
	}
	last := len(st.members) == 0
	if last {
		st.unregister()
		close(st.gone)
	}
	st.mu.Unlock()
	stations.Unlock()
	e.mu.Lock()
	p := e.passive
	e.mu.Unlock()
	if p != nil {
		for _, c := range p.Close() {
			c.Abort()
		}
	}
	if last {
		st.tcp.Close()
		st.accepting.Wait()
		st.handshakes.Close()
	}
}

// accept takes what comes to the port, until it is closed.
func (st *station) accept() {
	pause := 5 * time.Millisecond
	for {
		tcp, err := st.next()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			st.handshakes.Begin(tcp)
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		st.tell(bare(err)) // out of descriptors or memory, which may pass
		select {
		case <-st.gone:
			return
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

func (st *station) next() (*socket.Socket, error) { return st.tcp.Accept(background) }

// tell gives an error to every listener that somebody accepts from.
func (st *station) tell(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, m := range st.members {
		m.mu.Lock()
		p := m.passive
		m.mu.Unlock()
		if p == nil {
			continue
		}
		select {
		case p.errs <- err:
		default:
		}
	}
}

// subscriber is whose a connection is.
func subscriber(tcp *socket.Socket) any { return tcp.Peer().Subscriber() }

// called returns the listener that a selector calls, nil where there is none.
func (st *station) called(s Selector) (*connection, *passive) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, wanted := range []Selector{s, ""} {
		l := st.members[wanted]
		if l == nil {
			continue
		}
		l.mu.Lock()
		p := l.passive
		l.mu.Unlock()
		if p != nil {
			return l, p
		}
	}
	return nil, nil
}
