package iperf3

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"zocalo/server"
	"zocalo/socket"
)

// DefaultMaxTests is how many tests a [Server] runs at once where MaxTests does
// not say.
const DefaultMaxTests = 64

// A Server serves iperf3's clients, many at once. Its zero value is ready to
// use. The fields must not change once Serve was called.
type Server struct {
	// MaxTests bounds the tests at once; 0 is DefaultMaxTests, negative no
	// bound. A client beyond it takes the place of the test in which nothing has
	// moved for longest, and for 2 s at least; without such a one it is told that
	// the server is busy.
	MaxTests int

	// MaxConns bounds the connections, control and flows, of all tests
	// together; see [server.Server]. 0 is 16 for each test. As many flows of
	// datagrams may be there beside them.
	MaxConns int

	// MaxConnsPerPeer bounds those of a single client; see [accept.NewPerPeer].
	MaxConnsPerPeer int

	// Users, if not nil, are those who are served: a client must tell one of them.
	Users *Users

	// MaxTime bounds a test, with the time to omit, and MaxRate the bits a second of each of its
	// directions; 0 is no bound but [maxDuration]. Who asks for more is refused; who asks for
	// no end is ended then, and who asks for no rate over TCP is kept to it.
	MaxTime time.Duration
	MaxRate int64

	// Once ends Serve after the first test that has begun.
	Once bool

	// Allow and Deny are lists of peers, as [server.Server] has them.
	Allow, Deny *server.List

	// OnTest, if not nil, is called when a test has ended: with its report,
	// which is nil where it never began, and with why it did not end well.
	// Several calls may be under way at once.
	OnTest func(client socket.Name, r *Report, err error)

	// Log is told what a person who runs the server wants to know; nil
	// discards that.
	Log *slog.Logger

	accepting server.Server
}

// Serve serves tests on all listeners, and closes them, until ctx ends. Then
// the clients of the tests that run are told that the server was stopped, and
// Serve returns when all is closed: nil where nothing failed.
//
// Flows of datagrams use the same address and port as the control connection
// of their test.
func (s *Server) Serve(ctx context.Context, listeners ...server.Listener) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	v := &serving{Server: s, ending: ctx, end: end, log: s.Log, order: make(map[*socket.Socket]uint64), sessions: make(map[cookie]*session), entrances: make(map[socket.Name]chan struct{})}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	most := s.MaxConns
	if most == 0 && s.maxTests() > 0 {
		most = 16 * s.maxTests()
	}
	v.mostDatagrams = most
	a := &s.accepting
	a.Handler, a.MaxConns, a.MaxConnsPerPeer, a.Allow, a.Deny, a.Log = v.handle, most, s.MaxConnsPerPeer, s.Allow, s.Deny, s.Log
	a.Drain = farewell // in which the sessions say that it ends
	ordered := make([]server.Listener, len(listeners))
	for i, l := range listeners {
		ordered[i] = &ordering{l, v}
	}
	return a.Serve(ctx, ordered...)
}

// An ordering is a listener that notes in which order connections came. Each
// has a goroutine of its own to read its cookie, and a test's flows are told
// apart by nothing but that order.
type ordering struct {
	server.Listener
	serving *serving
}

func (o *ordering) Accept(ctx context.Context) (*socket.Socket, error) {
	c, err := o.Listener.Accept(ctx)
	if err == nil {
		v := o.serving
		v.mu.Lock()
		v.accepted++
		v.order[c] = v.accepted
		v.mu.Unlock()
		c.OnClose(func() {
			v.mu.Lock()
			delete(v.order, c)
			v.mu.Unlock()
		})
	}
	return c, err
}

// Abort ends Serve at once, for the second signal of an impatient user: no
// client is told. The server cannot serve again.
func (s *Server) Abort() { s.accepting.Abort() }

// farewell is how long sessions may take to end once the server does.
const farewell = 2 * time.Second

func (s *Server) maxTests() int {
	if s.MaxTests == 0 {
		return DefaultMaxTests
	}
	return s.MaxTests
}

// serving is one call of Serve.
type serving struct {
	*Server
	ending context.Context
	end    func()
	log    *slog.Logger

	mu       sync.Mutex
	accepted uint64
	order    map[*socket.Socket]uint64 // of the connections that are open
	sessions map[cookie]*session
	// Flows of datagrams that are there or waited for, and the most of them; 0
	// or less is no bound.
	datagrams, mostDatagrams int
	// One test at a time is at the entrance for datagrams of an address. The
	// channel holds one while it is taken.
	entrances map[socket.Name]chan struct{}
}

// handle serves one connection: the control connection of a new test, or a
// flow of one that waits for it.
func (v *serving) handle(ctx context.Context, c *socket.Socket) {
	var key cookie
	c.SetReadDeadline(time.Now().Add(strangerPatience))
	stop := context.AfterFunc(v.ending, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	_, err := io.ReadFull(c, key[:])
	stop()
	if err != nil || v.ending.Err() != nil {
		v.log.Info("a connection sent no cookie", "peer", c.Peer(), "error", err)
		return
	}
	c.SetReadDeadline(time.Time{})
	n, known := v.find(key)
	switch {
	case known:
		n.join(c)
	case n == nil:
		v.log.Info("client rejected: the maximum number of tests is running", "peer", c.Peer())
		busy := control{c, strangerPatience}
		busy.send(accessDenied)
		busy.drain()
	default:
		defer v.remove(n)
		n.control = control{c, strangerPatience}
		report, err := n.serve()
		v.mu.Lock()
		if n.gaveWay {
			err = errSilent
		}
		v.mu.Unlock()
		v.tell(c.Peer(), report, err)
	}
}

// find returns the session of a cookie; known is false for a new one, which is
// nil where there is no room for it.
func (v *serving) find(key cookie) (n *session, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if n, known = v.sessions[key]; known {
		return n, true
	}
	if most := v.maxTests(); most > 0 && len(v.sessions) >= most && !v.makeRoom() {
		return nil, false
	}
	n = newSession(v, key)
	v.sessions[key] = n
	return n, false
}

// mostSilence is for how long nothing may move in a test whose place another
// wants.
const mostSilence = 2 * time.Second

// makeRoom ends the test that is silent for longest, if that is too long. The
// caller holds mu.
func (v *serving) makeRoom() bool {
	now := time.Now()
	var silent *session
	longest := mostSilence
	for _, n := range v.sessions {
		if s := n.silence(now); s >= longest {
			silent, longest = n, s
		}
	}
	if silent != nil {
		silent.gaveWay = true
		delete(v.sessions, silent.cookie)
		silent.end()
	}
	return silent != nil
}

// sort puts flows into the order in which they came.
func (v *serving) sort(flows []*socket.Socket) {
	v.mu.Lock()
	defer v.mu.Unlock()
	slices.SortFunc(flows, func(a, b *socket.Socket) int { return cmp.Compare(v.order[a], v.order[b]) })
}

func (v *serving) remove(n *session) {
	v.mu.Lock()
	if v.sessions[n.cookie] == n {
		delete(v.sessions, n.cookie)
	}
	v.datagrams -= n.datagrams
	v.mu.Unlock()
	n.end()
}

func (v *serving) tell(peer socket.Name, r *Report, err error) {
	if err != nil {
		v.log.Info("a test failed", "peer", peer, "error", err)
	}
	if v.OnTest != nil {
		v.OnTest(peer, r, err)
	}
	if v.Once && r != nil {
		v.end()
	}
}

// drain reads until the other side closes, so that closing first does not
// take back, as a reset, what it has not read yet.
func (c *control) drain() {
	c.s.CloseWrite()
	c.s.SetReadDeadline(time.Now().Add(time.Second))
	var b [512]byte
	for read := 0; read < mostParameters; {
		n, err := c.s.Read(b[:])
		if err != nil {
			return
		}
		read += n
	}
}

var errSilent = errors.New("nothing moved, and another client was waiting")

var errEnding = errors.New("the server was stopped")
