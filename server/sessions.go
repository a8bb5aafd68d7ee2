package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/internal/accept"
	"zocalo/internal/pass"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The bounds of [Sessions] where its fields do not say.
const (
	DefaultIdle         = time.Minute
	DefaultMaxSessions  = pass.DefaultMaxSessions
	DefaultSessionQueue = 64 << 10 // bytes
	// DefaultMaxMessage is that of a message, in bytes: more than Linux's buffers
	// let through unless enlarged (212992), and than any datagram of the Internet has.
	DefaultMaxMessage = 256 << 10
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
// same peer begins another. Answers leave by the address that the peer sent to,
// which is the name of the session's socket. Peers without a name, as unbound
// unix sockets, share a session: they are heard, and what is written to them is
// dropped and counted. Where the kind loses nothing, such as unix, a write waits
// while the peer does not read; elsewhere what a peer does not take is dropped and
// counted. The unread answers of a unix peer that is connected fill the send buffer
// that all share: then all wait.
type Sessions struct {
	// Handler serves one session, in a goroutine of its own, and c is closed
	// when it returns. ctx is as that of [Server.Handler].
	Handler func(ctx context.Context, c *socket.Socket)

	// Idle ends a session to and from which no message passed for so long. 0
	// means DefaultIdle, negative never.
	Idle time.Duration

	// Together gives all peers to one session: its socket hears everybody as
	// messages come, writes to whom it has heard last, and is a
	// [socket.Hearer].
	Together bool

	// Max bounds the sessions; 0 means DefaultMaxSessions, negative no bound. A peer
	// beyond it takes the place of the session that was idle longest. The
	// handler of that one may take its time to return; when there are Max such
	// handlers, messages of new peers are dropped.
	Max int

	// MaxPerPeer bounds those of a single peer, whatever ports it sends from, as
	// [Server] says of connections. One more takes the place of that of the
	// same peer which was idle longest.
	MaxPerPeer int

	// Queue bounds the bytes that wait to be read by one handler, with 8 for
	// each message; 0 or less means DefaultSessionQueue. What comes beyond it
	// waits where the kind loses nothing, as unix, so that all senders do; else it
	// is dropped and counted. One message always has room.
	Queue int

	// MaxMessage is the longest message in bytes; 0 or less means
	// DefaultMaxMessage. Longer ones are dropped and counted.
	MaxMessage int

	// Drain is how long sessions may go on once Serve's context has ended;
	// then they read io.EOF. 0 means DefaultDrain; negative waits for as long as
	// they take. A nanosecond ends them at once.
	Drain time.Duration

	// Allow, if not nil, drops the messages of peers that are not in it, and
	// Deny those of peers that are; see [List.ContainsSender].
	Allow, Deny *List

	// OnFailure is [Server.OnFailure], of a socket.
	OnFailure func(error)

	// Log is told what a person who runs the server wants to know; nil
	// discards that.
	Log *slog.Logger

	abort   pass.Abort
	dropped atomic.Int64
	most    atomic.Int64 // of SetMax
}

// Dropped returns how many messages a handler was not given or left unread, or were not taken
// by their peer, for the bounds of Sessions, or which the system dropped while a
// socket's receive buffer was full, as far as it has told.
func (s *Sessions) Dropped() int64 { return s.dropped.Load() }

// Abort is [Server.Abort].
func (s *Sessions) Abort() { s.abort.Now() }

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
	if err := (Lists{s.Allow, s.Deny}).Apply(sockets...); err != nil {
		return err
	}
	accept.StartPoller()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	handling, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	t := &sessionTable{Sessions: s, log: logger(s.Log), handling: handling, open: map[sessionKey]*session{}, began: time.Now(),
		recent: pass.Recent[*session]{Max: s.max(), MaxPerPeer: accept.MaxPerPeer(s.MaxPerPeer, s.max(), sockets...)}}

	failed := make(chan error, len(sockets))
	var loops sync.WaitGroup
	for _, c := range sockets {
		option.AnswerAsAsked(c, c.Name())
		option.ReceiveDropped.Set(c, true) // or what the system drops is not known
		loops.Go(func() {
			waits := c.Properties().Reliable
			if err := t.receive(&sessionSocket{Socket: c, waits: waits, answers: accept.AnswerTime{Again: waits}}); err != nil {
				failed <- err
				stop()
				if s.OnFailure != nil {
					s.OnFailure(err)
				}
			}
		})
	}
	select {
	case <-ctx.Done():
	case <-s.abort.Done():
	}
	t.close()
	pass.Drain(s.Drain, closedAfter(t.handlers.Wait), &s.abort)
	t.over.Store(true)
	t.endAll()
	end()
	t.handlers.Wait()
	for _, c := range sockets {
		c.SetReadDeadline(time.Unix(1, 0))
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

	trouble pass.Trouble

	mu     sync.Mutex
	closed bool // no session begins any more
	open   map[sessionKey]*session
	recent pass.Recent[*session]
	began  time.Time // to which the times of recent refer
	ending int       // handlers not returned, of sessions that are not in open any more
	timer  *time.Timer
	timed  bool // timer will call expire
}

// sessionKey tells sessions apart: a peer that asks several addresses of ours has
// one with each.
type sessionKey struct {
	socket *sessionSocket
	peer   socket.Name    // the zero Name for all who have none
	local  netip.Addr     // that the peer sends to, where the socket has several
	via    netip.AddrPort // another there that takes the name of the peer has another session
}

// A sender is who sent a message, and where it came in.
type sender struct {
	socket *sessionSocket
	peer   socket.Name
	via    netip.AddrPort    // see socket.Message
	at     socket.PacketInfo // where answers leave
}

// source is where on the Internet the message came from.
func (s *sender) source() netip.AddrPort {
	if a := s.peer.AddrPort(); a.IsValid() {
		return a
	}
	return s.via
}

func (t *sessionTable) key(from sender) sessionKey {
	if t.Together {
		return sessionKey{}
	}
	return sessionKey{from.socket, from.peer, from.at.Local, from.via}
}

// receive gives the messages of one socket to their sessions.
func (t *sessionTable) receive(from *sessionSocket) error {
	own := from.Name()
	memory := make([]byte, t.maxMessage())
	var m socket.Message
	var again accept.Retry
	var lost uint32 // as the system told last
	for {
		m.SetData(memory)
		m.Flags = 0
		err := from.Receive(&m)
		if m.Ancillary.Present&socket.HasDropped != 0 {
			t.overflowed(own, m.Ancillary.Dropped-lost)
			lost = m.Ancillary.Dropped
		}
		switch {
		case t.over.Load():
			return nil
		case err == nil:
			again.Reset()
		case errors.Is(err, socket.ErrDescriptorsRefused):
			t.drop("descriptors came with it, which a session cannot take", m.Peer)
			continue
		case errors.Is(err, socket.ErrTruncated):
			t.drop("it is longer than the limit", m.Peer)
			continue
		case errors.Is(err, net.ErrClosed):
			return err
		case again.After(t.handling, err, t.short):
			continue
		default:
			return err
		}
		var at socket.PacketInfo
		if m.Ancillary.Present&socket.HasPacketInfo != 0 {
			at = m.Ancillary.PacketInfo.Answer()
		}
		if own.IsSelf(m.Peer) {
			t.drop(accept.ErrOwn.Error(), m.Peer)
			continue
		}
		t.deliver(sender{from, m.Peer, m.Via, at}, memory[:m.N])
	}
}

// deliver gives a message to its peer's session.
func (t *sessionTable) deliver(from sender, data []byte) {
	for over := true; over; { // a session that ended meanwhile is not in the table any more
		s := t.session(from)
		if s == nil {
			return
		}
		var queued bool
		if queued, over = s.put(data, from); !queued && !over {
			t.drop("the session's queue is full", from.peer)
		}
	}
}

func (t *sessionTable) short(err error) {
	if t.trouble.Begins("receiving", time.Now()) {
		t.log.Warn("receiving is paused until the system has memory again", "error", err)
	}
}

// session returns the session of a peer, which it begins if there is none; nil
// where the message is to be dropped.
func (t *sessionTable) session(from sender) *session {
	key := t.key(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.open[key]
	if s != nil && !t.Together {
		t.touch(s)
		return s
	}
	why := Lists{t.Allow, t.Deny}.refuse(func(l *List) bool { return l.containsAddr(from.source()) })
	switch {
	case t.closed && s == nil:
		return nil
	case why != "":
		t.dropped.Add(1)
		if t.trouble.Begins("turned away", time.Now()) {
			t.log.Info("peer rejected; others are not named", "peer", from.peer, "reason", why)
		}
		return nil
	case s != nil:
		t.touch(s)
		return s
	case t.max() > 0 && t.ending >= t.max():
		t.drop("the maximum number of finished sessions are still running", from.peer)
		return nil
	}
	var addr netip.Addr
	if !t.Together {
		addr = socket.InetName(from.source()).Subscriber()
	}
	t.recent.Max = t.max() // which may have changed
	if x := t.recent.GivesWay(addr); x != nil {
		if t.recent.Crowded() && t.trouble.Begins("crowded", time.Now()) {
			t.log.Warn("the maximum number of sessions is open: new ones replace the longest idle", "sessions", len(t.open))
		}
		t.end(x.Session, "replaced by a newer one")
	}
	return t.begin(key, from, addr)
}

// begin makes a session and starts its handler. The caller holds mu.
func (t *sessionTable) begin(key sessionKey, from sender, addr netip.Addr) *session {
	s := newSession(t, key, from)
	t.open[key] = s
	t.recent.Add(&s.place, addr, time.Since(t.began))
	if idle := t.idle(); idle > 0 && !t.timed {
		t.timed = true
		if t.timer == nil {
			t.timer = time.AfterFunc(idle, t.expire)
		} else {
			t.timer.Reset(idle)
		}
	}
	t.log.Debug("a session begins", "peer", from.peer)
	t.handlers.Go(func() {
		c := socket.Wrap(s, from.socket.Kind())
		defer t.remove()
		defer c.Close()
		t.Handler(t.handling, c)
	})
	return s
}

// touch notes that something passed. The caller holds mu.
func (t *sessionTable) touch(s *session) {
	if !s.out {
		t.recent.Touch(&s.place, time.Since(t.began))
	}
}

func (t *sessionTable) passed(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touch(s)
}

// end takes a session out, and makes it read io.EOF. The caller holds mu.
func (t *sessionTable) end(s *session, why string) {
	t.log.Debug("a session ends", "peer", s.Peer(), "reason", why)
	t.takeOut(s)
	s.end()
}

func (t *sessionTable) takeOut(s *session) {
	delete(t.open, s.key)
	t.recent.Remove(&s.place)
	s.out = true
	t.ending++
}

// leave takes out a session whose socket is closed: the next message of its
// peer is for another.
func (t *sessionTable) leave(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.out {
		t.log.Debug("a session ends", "peer", s.Peer(), "reason", "its handler is done")
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
	x, in := t.recent.Idle(time.Since(t.began), t.idle())
	for ; x != nil; x, in = t.recent.Idle(time.Since(t.began), t.idle()) {
		t.end(x.Session, "idle")
	}
	if t.timed = in > 0; t.timed {
		t.timer.Reset(in)
	}
}

// close lets no session begin any more.
func (t *sessionTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
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
	if t.trouble.Begins("dropped", time.Now()) {
		t.log.Warn("a message was dropped; further ones are only counted", "peer", peer, "reason", why)
	}
}

// overflowed counts messages for which a socket had no room.
func (t *sessionTable) overflowed(own socket.Name, n uint32) {
	t.dropped.Add(int64(n))
	if n > 0 && t.trouble.Begins("overflow", time.Now()) {
		t.log.Warn("the system dropped messages that came faster than they were read: a larger receive buffer (rcvbuf=) holds longer bursts",
			"socket", own, "messages", n)
	}
}

func (s *Sessions) idle() time.Duration {
	if s.Idle == 0 {
		return DefaultIdle
	}
	return s.Idle
}

func (s *Sessions) max() int {
	most := s.Max
	if changed := s.most.Load(); changed != 0 {
		most = int(changed)
	}
	if most == 0 {
		return DefaultMaxSessions
	}
	return most
}

// SetMax changes Max, also while it serves. It ends no session.
func (s *Sessions) SetMax(n int) { s.most.Store(int64(n)) }

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
