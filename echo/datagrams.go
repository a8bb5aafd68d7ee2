package echo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"zocalo/frame"
	"zocalo/internal/accept"
	"zocalo/internal/inbox"
	"zocalo/relay/join"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Datagrams is [Echoer.Datagrams] of the zero Echoer.
func Datagrams(ctx context.Context, s *socket.Socket) error {
	return new(Echoer).Datagrams(ctx, s)
}

// Datagrams sends each message that a socket without a connection receives back
// to its sender, also an empty one, until ctx ends: it then returns nil, and
// leaves the socket good only for Close. Answers leave by the address that was
// asked, many in one call where many came.
//
// A message that claims to come from the socket itself is not answered, and of
// one that comes again and again one in 20 000 is not: that ends what goes round
// between two echo servers.
//
// What cannot be sent back is counted, reported once and no failure: a message
// that is too long, which is never cut; one whose sender has no name, as that
// of an unbound unix datagram socket; and one whose sender cannot be reached,
// such as one that is gone or for which the system has no buffers (ENOBUFS).
// For a sender that does not read its answers, Datagrams waits 100 to 200 ms
// once, then 1 to 2 ms an answer until it reads again, and drops what it does not
// take.
//
// It allocates nothing per message.
func (e *Echoer) Datagrams(ctx context.Context, s *socket.Socket) error {
	if err := (server.Lists{Allow: e.Allow, Deny: e.Deny}).Apply(s); err != nil {
		return err
	}
	if e.MaxMessage > frame.MaxSize {
		return fmt.Errorf("echo: a limit of %d bytes a message is more than memory should hold: give at most %d", e.MaxMessage, frame.MaxSize)
	}
	stop := context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	option.AnswerAsAsked(s, s.Name())
	option.UDPGRO.Set(s, true) // where there is such a thing, and nobody has switched it off
	o := join.Options{MaxMessage: e.MaxMessage}
	d := &datagrams{Echoer: e, socket: s, own: s.Name(), limit: o.Limit(s), waits: s.Properties().Reliable}
	in := inbox.New(s, d.limit)
	var again accept.Retry
	for {
		messages, err := in.Receive()
		if ctx.Err() != nil {
			return nil
		}
		if closed := d.send(d.answers(messages)); closed != nil && ctx.Err() == nil {
			return closed
		}
		switch {
		case err == nil:
			again.Reset()
		case again.After(ctx, err, func(error) {}):
			// The system has told an error of an earlier answer, or lacks
			// memory.
			e.leave(socket.Name{}, err)
		default:
			return err
		}
	}
}

// datagrams is one call of Datagrams.
type datagrams struct {
	*Echoer
	socket *socket.Socket
	own    socket.Name
	limit  int  // bytes of a message
	waits  bool // a peer that does not read may keep us waiting
	time   accept.AnswerTime
	round  accept.Repeats
}

// answers makes answers of those messages that get one, moves them to the front,
// and returns them.
func (d *datagrams) answers(ms []socket.Message) []socket.Message {
	n := 0
	for i := range ms {
		m := &ms[i]
		if (server.Lists{Allow: d.Allow, Deny: d.Deny}).RefusesSender(m) != "" || !d.answerable(m) {
			continue
		}
		m.SetData(m.Buffers[0][:m.N])
		m.Flags = 0
		m.Ancillary.Answer()
		ms[n], ms[i] = ms[i], ms[n]
		n++
	}
	return ms[:n]
}

// answerable reports whether a message is to be answered, or something of a train,
// and counts what is not.
func (d *datagrams) answerable(m *socket.Message) bool {
	switch {
	case m.Flags&socket.Truncated != 0:
		d.refuse(socket.ErrTruncated)
		return false
	case m.N > d.limit && (m.SegmentSize == 0 || m.SegmentSize > d.limit):
		d.refuse(syscall.EMSGSIZE)
		return false
	case m.Peer.IsUnnamed():
		d.leave(m.Peer, errUnnamed)
		return false
	case d.own.IsSelf(m.Peer):
		d.leave(m.Peer, accept.ErrOwn)
		return false
	}
	return d.leavesRounds(m)
}

// leavesRounds takes out of a message, or a train, what goes round, and reports
// whether anything is left.
func (d *datagrams) leavesRounds(m *socket.Message) bool {
	now, data := time.Now(), m.Buffers[0][:m.N]
	size := m.SegmentSize
	if size <= 0 {
		size = max(m.N, 1)
	}
	left, count := 0, 0
	for at := 0; at == 0 || at < m.N; at += size {
		segment := data[at:min(at+size, m.N)]
		if d.round.End(m.Peer, segment, now) {
			d.leave(m.Peer, accept.ErrRound)
			continue
		}
		left += copy(data[left:], segment)
		count++
	}
	m.N = left
	return count > 0
}

var errUnnamed = errors.New("its sender has no name to answer to: bind the sender's socket")

// send sends the answers. What a peer cannot take is its loss; the error is that
// of a socket that was closed.
func (d *datagrams) send(ms []socket.Message) error {
	for len(ms) > 0 {
		batch := ms
		if d.waits {
			batch = ms[:1]
		}
		n := 0
		err := d.time.Begin(d.socket, batch[0].Peer)
		if err == nil {
			n, err = d.socket.SendBatch(batch)
			d.time.End(batch[min(n, len(batch)-1)].Peer, err)
		}
		for i := range n {
			d.sent(&batch[i])
		}
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return err
		case errors.Is(err, syscall.EMSGSIZE):
			d.refuse(err)
			n++
		default:
			d.leave(batch[n].Peer, err)
			n++
		}
		ms = ms[n:]
	}
	return nil
}

// sent counts an answer, or a train of them.
func (d *datagrams) sent(m *socket.Message) {
	for data := range m.Segments() {
		d.messages.Add(1)
		d.bytes.Add(int64(len(data)))
		if d.OnMessage != nil {
			d.OnMessage(m.Peer, len(data))
		}
	}
}
