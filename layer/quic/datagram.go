package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/wait"
)

const (
	// mostPeers is how many connections a listener for datagrams has at once. A newcomer takes the
	// place of another then.
	mostPeers = 10_000

	// waiting is how many datagrams wait to be read, beside those that quic-go keeps for
	// each connection. What comes while all are full is lost.
	waiting = 256

	// leaving is how long Close waits for what was sent to leave.
	leaving = time.Second
)

// A datagram is a socket of the kind quic-dgram: the datagrams of one connection (RFC 9221),
// or of all that come to a listener, which are told apart by the names of their peers.
type datagram struct {
	base
	life     wait.Life
	inbox    chan arrived
	listener *listener

	peer *peer // of a socket that has connected

	many  sync.Mutex
	peers map[socket.Name]*peer // of a listener
	most  int                   // of them
	turns atomic.Int64          // counts datagrams and peers, so as to tell which was later
	looks *time.Timer           // for peers that are silent; nil where they may be
	over  bool                  // it is closed
	gone  error                 // why nothing comes any more
	ended chan struct{}         // closed then
}

// arrived is a datagram and who sent it.
type arrived struct {
	data []byte
	from socket.Name
}

// A peer is the other end of a connection. Sending goes by a goroutine, since quic-go's
// waits for as long as the network is busy, whatever the deadline.
type peer struct {
	conn     *connection
	accepted bool         // by a listener, which has others
	latest   atomic.Int64 // the turn of the last datagram from or to it
	seen     int64        // latest, when the listener looked last
	silent   int          // how many looks in a row have found the same

	turn  wait.Turn // guards what follows
	out   chan []byte
	sent  chan error
	owed  bool // the last result was not waited for
	space []byte
}

func newDatagram(k socket.Kind) *datagram {
	d := &datagram{base: base{kind: k}, inbox: make(chan arrived, waiting), peers: map[socket.Name]*peer{}, most: mostPeers, ended: make(chan struct{})}
	d.life.Init()
	return d
}

// Lower implements [socket.Layer].
func (d *datagram) Lower() socket.Endpoint { return d.lower() }

// SetReadDeadline implements [socket.Endpoint].
func (d *datagram) SetReadDeadline(t time.Time) error { return d.life.SetReadDeadline(t) }

// SetWriteDeadline implements [socket.Endpoint].
func (d *datagram) SetWriteDeadline(t time.Time) error { return d.life.SetWriteDeadline(t) }

// receive takes what comes to a socket that is bound: from whoever connects.
func (d *datagram) receive() error {
	if err := d.begin(listening, nil); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	var err error
	if d.listener, err = listen(d.kind, d.transport, d.prepared, 0, d.join); err != nil || d.prepared.peerIdle <= 0 {
		return err
	}
	d.many.Lock()
	defer d.many.Unlock()
	d.looks = time.AfterFunc(d.prepared.peerIdle/looksPerIdle, d.look)
	return nil
}

// looksPerIdle is how often a listener looks for silent peers in the time that they may be silent: one is
// silent when so many looks in a row have found the same.
const looksPerIdle = 4

// look ends the connections of peers that have been silent for too long.
func (d *datagram) look() {
	d.many.Lock()
	defer d.many.Unlock()
	for name, p := range d.peers {
		latest := p.latest.Load()
		if latest != p.seen {
			p.seen, p.silent = latest, 0
			continue
		}
		if p.silent++; p.silent >= looksPerIdle {
			delete(d.peers, name)
			go p.conn.quic.CloseWithError(codeReset, "no datagram passed for "+codec.Duration.Format(d.prepared.peerIdle)+" (peer-idle)")
		}
	}
	if !d.over {
		d.looks.Reset(d.prepared.peerIdle / looksPerIdle)
	}
}

// Connect implements [socket.Connector]. Unlike that of UDP it reaches the peer.
func (d *datagram) Connect(ctx context.Context, to socket.Name) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := d.begin(connecting, cancel); err != nil {
		return err
	}
	c, err := d.dial(ctx, to)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed && c != nil:
		c.close()
		return net.ErrClosed
	case d.closed:
		return net.ErrClosed
	case err != nil:
		d.state = failed
		return err
	}
	d.state, d.conn = connected, c
	d.peer = d.begins(c, false)
	return nil
}

func (d *datagram) dial(ctx context.Context, to socket.Name) (*connection, error) {
	t, err := d.transportToDial()
	if err != nil {
		return nil, err
	}
	q, err := t.dial(ctx, to, d.prepared)
	if err != nil {
		t.leave()
		return nil, err
	}
	c := newConnection(q, t, d.prepared, sourceOf(t, to), to, func(*connection) {})
	if !q.ConnectionState().SupportsDatagrams.Remote {
		c.close()
		return nil, &refusedError{"the peer does not accept datagrams (RFC 9221): quic: has streams", syscall.EPROTONOSUPPORT}
	}
	return c, nil
}

// join takes a connection of the listener. Where there are too many, another gives way.
func (d *datagram) join(_ context.Context, c *connection) error {
	d.many.Lock()
	defer d.many.Unlock()
	if !c.quic.ConnectionState().SupportsDatagrams.Remote {
		return errors.New("the peer does not accept datagrams (RFC 9221)")
	}
	if old := d.peers[c.peer]; old != nil { // of a client that has come again from the same port
		go old.conn.close()
	} else if len(d.peers) >= d.most {
		old := d.toGiveWay(c.peer.Subscriber())
		delete(d.peers, old.conn.peer)
		go old.conn.quic.CloseWithError(codeReset, "too many connections: this one gave way to a newer one")
	}
	d.peers[c.peer] = d.begins(c, true)
	return nil
}

// toGiveWay chooses who makes room for a connection of that Subscriber: of the one that has most,
// that which has been silent for longest. So nobody's connections take the place of another's.
// The caller holds many.
func (d *datagram) toGiveWay(newcomer netip.Addr) *peer {
	of := map[netip.Addr]int{newcomer: 1}
	for n := range d.peers {
		of[n.Subscriber()]++
	}
	var chosen *peer
	for n, p := range d.peers {
		if chosen == nil {
			chosen = p
			continue
		}
		more := of[n.Subscriber()] - of[chosen.conn.peer.Subscriber()]
		if more > 0 || more == 0 && p.latest.Load() < chosen.latest.Load() {
			chosen = p
		}
	}
	return chosen
}

// begins passes on what comes from a connection, until that is over.
func (d *datagram) begins(c *connection, accepted bool) *peer {
	p := &peer{conn: c, accepted: accepted, out: make(chan []byte), sent: make(chan error, 1)}
	p.latest.Store(d.turns.Add(1))
	c.enter()
	out := p.out
	go func() {
		for b := range out {
			p.sent <- c.quic.SendDatagram(b)
		}
	}()
	go func() {
		defer c.leave()
		for {
			b, err := c.quic.ReceiveDatagram(context.Background())
			if err != nil { // which quic-go may say before what came ahead of the end
				b, err = c.quic.ReceiveDatagram(context.Background())
			}
			if err != nil {
				d.leaves(p, err)
				return
			}
			p.latest.Store(d.turns.Add(1))
			a := arrived{b, c.peer}
			select {
			case d.inbox <- a:
				continue
			default:
			}
			select {
			case d.inbox <- a:
			case <-c.quic.Context().Done(): // and nobody reads
			}
		}
	}()
	return p
}

// leaves forgets a connection that is over.
func (d *datagram) leaves(p *peer, err error) {
	p.turn.Wait(context.Background()) // the sender has an answer, since the connection is over
	close(p.out)
	p.out = nil
	p.turn.Give()
	d.many.Lock()
	defer d.many.Unlock()
	if p.accepted {
		if d.peers[p.conn.peer] == p {
			delete(d.peers, p.conn.peer)
		}
		return
	}
	d.gone = d.prepared.connectionError(err)
	close(d.ended)
}

// Read implements [socket.Endpoint].
func (d *datagram) Read(b []byte) (int, error) {
	m := socket.Message{Buffers: [][]byte{b}}
	err := d.Receive(&m)
	return m.N, err
}

// Receive implements [socket.Messenger].
func (d *datagram) Receive(m *socket.Message) error {
	if m.Flags&socket.Peek != 0 {
		return &socket.UnsupportedError{Feature: "peeking at a QUIC datagram"}
	}
	m.N, m.Size, m.Flags, m.SegmentSize, m.Ancillary.Present = 0, 0, 0, 0, 0
	a, err := d.next()
	if err != nil {
		return err
	}
	m.Peer, m.Size = a.from, len(a.data)
	for _, b := range m.Buffers {
		m.N += copy(b, a.data[m.N:])
	}
	if m.N < m.Size {
		m.Flags = socket.Truncated
		return socket.ErrTruncated
	}
	return nil
}

// next waits for a datagram, for the end of the connection once all before it is read, or
// for a limit.
func (d *datagram) next() (arrived, error) {
	limits := d.life.ReadLimits(context.Background())
	for {
		passed := limits.Deadline.Passed()
		if err := limits.Over(); err != nil {
			return arrived{}, err
		}
		select {
		case a := <-d.inbox:
			return a, nil
		default:
		}
		select {
		case a := <-d.inbox:
			return a, nil
		case <-d.ended:
			if len(d.inbox) == 0 {
				return arrived{}, d.gone
			}
		case <-limits.Closed:
		case <-passed:
		}
	}
}

// Write implements [socket.Endpoint].
func (d *datagram) Write(b []byte) (int, error) { return d.send(b, socket.Name{}) }

// Send implements [socket.Messenger].
func (d *datagram) Send(m *socket.Message) (int, error) {
	if m.Ancillary.Present&^socket.HasPacketInfo != 0 || m.SegmentSize > 0 {
		return 0, &socket.UnsupportedError{Feature: "ancillary data or segments with a QUIC datagram", Needs: "a udp socket"}
	}
	if len(m.Buffers) == 1 {
		return d.send(m.Buffers[0], m.Peer)
	}
	var whole []byte
	for _, b := range m.Buffers {
		whole = append(whole, b...)
	}
	return d.send(whole, m.Peer)
}

// to returns the peer of that name, or the one connected to.
func (d *datagram) to(n socket.Name) (*peer, error) {
	d.mu.Lock()
	p := d.peer
	d.mu.Unlock()
	switch {
	case p != nil && (n.IsZero() || n == p.conn.peer):
		return p, nil
	case p != nil:
		return nil, os.NewSyscallError("sendmsg", syscall.EISCONN)
	case n.IsZero():
		return nil, os.NewSyscallError("sendmsg", syscall.EDESTADDRREQ)
	}
	d.many.Lock()
	defer d.many.Unlock()
	if p = d.peers[n]; p == nil {
		return nil, errNoPeer
	}
	return p, nil
}

// errNoPeer is for a name that no connection has.
var errNoPeer error = &brokenError{text: "the peer no longer has a connection", errno: syscall.ECONNREFUSED}

func (d *datagram) send(b []byte, n socket.Name) (int, error) {
	limits := d.life.WriteLimits(context.Background())
	if err := limits.Over(); err != nil {
		return 0, err
	}
	p, err := d.to(n)
	if err != nil {
		return 0, err
	}
	if err := p.turn.Take(&limits); err != nil {
		return 0, err
	}
	defer p.turn.Give()
	if p.owed {
		if _, err := wait.Receive(&limits, p.sent); err != nil {
			return 0, err
		}
		p.owed = false
	}
	if p.out == nil {
		return 0, errNoPeer
	}
	p.latest.Store(d.turns.Add(1))
	p.space = append(p.space[:0], b...)
	p.out <- p.space
	p.owed = true
	result, err := wait.Receive(&limits, p.sent)
	if err != nil {
		return 0, err
	}
	p.owed = false
	if result != nil {
		return 0, d.sendError(result, len(b))
	}
	return len(b), nil
}

func (d *datagram) sendError(err error, size int) error {
	var long *quicgo.DatagramTooLargeError
	if errors.As(err, &long) {
		return fmt.Errorf("a datagram of %d bytes is too long: the path carries at most %d: %w", size, long.MaxDatagramPayloadSize, syscall.EMSGSIZE)
	}
	return d.prepared.connectionError(err)
}

// Close implements [socket.Endpoint]. It closes the connections too: nothing else uses them.
func (d *datagram) Close() error {
	if !d.end() {
		return net.ErrClosed
	}
	d.life.End()
	d.mu.Lock()
	l, stop, p := d.listener, d.stop, d.peer
	d.mu.Unlock()
	if stop != nil {
		stop()
	}
	if l != nil {
		l.close()
	}
	d.many.Lock()
	if d.over = true; d.looks != nil {
		d.looks.Stop()
	}
	all := make([]*peer, 0, len(d.peers)+1)
	for _, p := range d.peers {
		all = append(all, p)
	}
	d.many.Unlock()
	if p != nil {
		all = append(all, p)
	}
	end := time.Now().Add(leaving)
	for _, p := range all {
		p.turn.Wait(context.Background()) // whoever had it stops
		p.turn.Give()
		flushed(p.conn.quic, time.Until(end))
		p.conn.close()
		<-p.conn.gone
	}
	d.free()
	return nil
}

// Abort implements [socket.Aborter].
func (d *datagram) Abort() error { return d.Close() }

// Admit implements [socket.Admitter].
func (d *datagram) Admit(admit func(*socket.Socket) bool) {
	d.tell(func(l *listener) { l.admit = admit })
}

// OnHandshake implements [socket.HandshakeTeller].
func (d *datagram) OnHandshake(f func(*socket.Socket, error)) {
	d.tell(func(l *listener) { l.shook = f })
}

func (d *datagram) tell(set func(*listener)) {
	d.mu.Lock()
	l := d.listener
	d.mu.Unlock()
	l.tell(set)
}
