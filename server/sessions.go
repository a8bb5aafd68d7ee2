package server

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/socket"
)

// The bounds of [Sessions] where its fields do not say.
const (
	DefaultIdle         = time.Minute
	DefaultMaxSessions  = 1024
	DefaultSessionQueue = 64 << 10 // octets
)

// Sessions gives each peer of a socket without connections to a handler, as a
// socket of its own that is connected to that peer: what [Server] does for
// kinds with connections. Only Handler is needed. The fields must not change
// once Serve was called.
//
// A session begins with a peer's first message, which is the first that its
// socket reads. All sessions send through the one socket beneath, so a peer
// sees one name; the socket of a session has no descriptor. A session that
// ends, for idleness or to make room, reads io.EOF; a later message of the
// same peer begins another. Since they share the send buffer too, the unread
// answers of a unix peer that does not read may fill it for all.
type Sessions struct {
	// Handler serves one session, in a goroutine of its own, and c is closed
	// when it returns. ctx is as that of [Server.Handler].
	Handler func(ctx context.Context, c *socket.Socket)

	// Idle ends a session to and from which no message passed for so long. 0
	// means DefaultIdle, negative never.
	Idle time.Duration

	// Max bounds the sessions; 0 or less means DefaultMaxSessions. A peer
	// beyond it takes the place of the session that was idle longest. The
	// handler of that one may take its time to return; when there are Max such
	// handlers, messages of new peers are dropped.
	Max int

	// Queue bounds the octets that wait to be read by one handler, with 4 for
	// each message; 0 or less means DefaultSessionQueue. What comes beyond
	// it is dropped and counted, except that one message always has room.
	Queue int

	// MaxMessage is the longest message in octets; 0 or less means
	// DefaultMaxMessage. Longer ones are dropped and counted.
	MaxMessage int

	// Drain is how long sessions may go on once Serve's context has ended;
	// then they read io.EOF. 0 ends them at once; negative waits for as long
	// as they take.
	Drain time.Duration

	// Allow, if not nil, drops the messages of peers that are not in it, and
	// Deny those of peers that are. Only names are looked at, see
	// [List.Contains].
	Allow, Deny *List

	// Log is told what a person who runs the server wants to know; nil
	// discards that.
	Log *slog.Logger

	abortion abortion
	dropped  atomic.Int64
}

// Dropped returns how many messages were not given to a handler, or not taken
// by their peer, for the bounds of Sessions.
func (s *Sessions) Dropped() int64 { return s.dropped.Load() }

// Abort is [Server.Abort].
func (s *Sessions) Abort() { s.abortion.abort() }

// Serve serves the peers of the sockets, which are bound and not connected,
// until ctx ends. Then it begins no session any more, lets those that are open
// finish for the time Drain, ends those that are left, and returns when every
// handler has returned: nil where nothing failed. A socket that fails for good
// ends Serve in the same way, with that error.
//
// Serve closes the sockets in every case. It allocates nothing per message.
func (s *Sessions) Serve(ctx context.Context, sockets ...*socket.Socket) error {
	defer func() {
		for _, c := range sockets {
			c.Close()
		}
	}()
	switch {
	case s.Handler == nil:
		return errors.New("serve: the sessions have no Handler: set one")
	case len(sockets) == 0:
		return errors.New("serve: no socket was given: give at least one")
	}
	startPoller()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	handling, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	t := &sessionTable{Sessions: s, log: logger(s.Log), handling: handling, open: map[sessionKey]*session{}}

	failed := make(chan error, len(sockets))
	var loops sync.WaitGroup
	for _, c := range sockets {
		loops.Go(func() {
			if err := t.receive(&sessionSocket{Socket: c}); err != nil {
				failed <- err
				stop()
			}
		})
	}
	select {
	case <-ctx.Done():
	case <-s.abortion.done():
	}
	t.close()
	t.drain()
	t.over.Store(true)
	t.endAll()
	end()
	t.handlers.Wait()
	for _, c := range sockets {
		c.SetReadDeadline(past)
	}
	loops.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// sessionTable is one call of Serve.
type sessionTable struct {
	*Sessions
	log      *slog.Logger
	handling context.Context // of the handlers
	handlers sync.WaitGroup
	over     atomic.Bool // nothing is received any more

	turnedAway, crowded, lossy, shortage episode

	mu     sync.Mutex
	closed bool // no session begins any more
	open   map[sessionKey]*session
	recent list.List // of *session, the one that was idle longest last
	ending int       // handlers not returned, of sessions that are not in open any more
	timer  *time.Timer
	timed  bool // timer will call expire
}

type sessionKey struct {
	socket *sessionSocket
	peer   socket.Name
}

// receive gives the messages of one socket to their sessions.
func (t *sessionTable) receive(from *sessionSocket) error {
	memory := make([]byte, t.maxMessage())
	var m socket.Message
	var again retry
	for {
		m.SetData(memory)
		m.Flags = 0
		err := from.Receive(&m)
		switch {
		case t.over.Load():
			return nil
		case err == nil:
			again.reset()
		case errors.Is(err, socket.ErrDescriptorsRefused):
			t.drop("descriptors came with it, which a session cannot take", m.Peer)
			continue
		case errors.Is(err, socket.ErrTruncated):
			t.drop("it is longer than the limit", m.Peer)
			continue
		case errors.Is(err, net.ErrClosed):
			return err
		case again.after(t.handling, err, t.short):
			continue
		default:
			return err
		}
		if unnamed(m.Peer) {
			t.drop("its sender has no name to answer to", m.Peer)
			continue
		}
		t.deliver(sessionKey{from, m.Peer}, memory[:m.N])
	}
}

// deliver gives a message to its peer's session.
func (t *sessionTable) deliver(key sessionKey, data []byte) {
	for over := true; over; { // a session that ended meanwhile is not in the table any more
		s := t.session(key)
		if s == nil {
			return
		}
		var queued bool
		if queued, over = s.put(data); !queued && !over {
			t.drop("the session's queue is full", key.peer)
		}
	}
}

func (t *sessionTable) short(err error) {
	if t.shortage.begins() {
		t.log.Warn("receiving pauses until the system has memory again", "error", err)
	}
}

// session returns the session of a peer, which it begins if there is none; nil
// where the message is to be dropped.
func (t *sessionTable) session(key sessionKey) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.open[key]; s != nil {
		t.touch(s)
		return s
	}
	why := refusal(t.Allow, t.Deny, func(l *List) bool { return l.Contains(key.peer) })
	switch {
	case t.closed:
		return nil
	case why != "":
		t.dropped.Add(1)
		if t.turnedAway.begins() {
			t.log.Info("a peer was turned away; others are not named", "peer", key.peer, "reason", why)
		}
		return nil
	case len(t.open) >= t.max():
		if t.crowded.begins() {
			t.log.Warn("as many sessions are open as may be: new ones take the place of those that were idle longest", "sessions", len(t.open))
		}
		if t.ending >= t.max() {
			t.dropped.Add(1)
			return nil
		}
		t.end(t.recent.Back().Value.(*session), "another made it give way")
	}
	return t.begin(key)
}

// begin makes a session and starts its handler. The caller holds mu.
func (t *sessionTable) begin(key sessionKey) *session {
	s := newSession(t, key)
	t.open[key] = s
	s.place = t.recent.PushFront(s)
	s.last = time.Now()
	if idle := t.idle(); idle > 0 && !t.timed {
		t.timed = true
		if t.timer == nil {
			t.timer = time.AfterFunc(idle, t.expire)
		} else {
			t.timer.Reset(idle)
		}
	}
	t.log.Debug("a session begins", "peer", key.peer)
	t.handlers.Go(func() {
		c := socket.Wrap(s, key.socket.Kind())
		defer t.remove()
		defer c.Close()
		t.Handler(t.handling, c)
	})
	return s
}

// touch notes that something passed. The caller holds mu.
func (t *sessionTable) touch(s *session) {
	if s.place != nil {
		s.last = time.Now()
		t.recent.MoveToFront(s.place)
	}
}

func (t *sessionTable) passed(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touch(s)
}

// end takes a session out, and makes it read io.EOF. The caller holds mu.
func (t *sessionTable) end(s *session, why string) {
	t.log.Debug("a session ends", "peer", s.key.peer, "reason", why)
	t.takeOut(s)
	s.end()
}

func (t *sessionTable) takeOut(s *session) {
	delete(t.open, s.key)
	t.recent.Remove(s.place)
	s.place = nil
	t.ending++
}

// leave takes out a session whose socket is closed: the next message of its
// peer is for another.
func (t *sessionTable) leave(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.place != nil {
		t.log.Debug("a session ends", "peer", s.key.peer, "reason", "its handler is done")
		t.takeOut(s)
	}
}

// remove counts a handler that has returned.
func (t *sessionTable) remove() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ending--
}

// expire ends the sessions that were idle for too long.
func (t *sessionTable) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timed = false
	for {
		last := t.recent.Back()
		if last == nil {
			return
		}
		s := last.Value.(*session)
		if left := t.idle() - time.Since(s.last); left > 0 {
			t.timer.Reset(left)
			t.timed = true
			return
		}
		t.end(s, "idle")
	}
}

// close lets no session begin any more.
func (t *sessionTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// drain waits for the handlers as long as Drain allows.
func (t *sessionTable) drain() {
	done := make(chan struct{})
	go func() {
		t.handlers.Wait()
		close(done)
	}()
	var over <-chan time.Time
	if t.Drain >= 0 {
		timer := time.NewTimer(t.Drain)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-done:
	case <-over:
	case <-t.abortion.done():
	}
}

func (t *sessionTable) endAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.open {
		t.end(s, "the server ends")
	}
	if t.timer != nil {
		t.timer.Stop()
	}
}

// drop counts a message that goes nowhere.
func (t *sessionTable) drop(why string, peer socket.Name) {
	t.dropped.Add(1)
	if t.lossy.begins() {
		t.log.Warn("a message was dropped; further ones are counted only", "peer", peer, "reason", why)
	}
}

func (s *Sessions) idle() time.Duration {
	if s.Idle == 0 {
		return DefaultIdle
	}
	return s.Idle
}

func (s *Sessions) max() int {
	if s.Max <= 0 {
		return DefaultMaxSessions
	}
	return s.Max
}

func (s *Sessions) queue() int {
	if s.Queue <= 0 {
		return DefaultSessionQueue
	}
	return s.Queue
}

func (s *Sessions) maxMessage() int {
	if s.MaxMessage <= 0 {
		return DefaultMaxMessage
	}
	return s.MaxMessage
}
