package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// A stream to a group has one sender and as many receivers as have joined the group, each a
// [Server]. All of them answer the greeting that went to the group; each is then told to
// begin, and asked for its report, at its own address.

// A Receiver is what one receiver of a stream to a group found.
type Receiver struct {
	Name    string   `json:"name"`
	Machine *Machine `json:"machine,omitempty"`
	Side    *Side    `json:"side,omitempty"`
	// Error is why nothing is known of it.
	Error string `json:"error,omitempty"`
}

// ErrGroup says that a mode is not for a group of receivers.
var ErrGroup = errors.New("this is a multicast group: measure it with a stream, forward, over one flow")

// groupSocket is the error of a flow whose socket writes to a group.
type groupSocket struct{ *socket.Socket }

func (g groupSocket) Error() string { return ErrGroup.Error() }
func (g groupSocket) Unwrap() error { return ErrGroup }

// toGroup reports whether what is written to a socket goes to a multicast group.
func toGroup(s *socket.Socket) bool {
	a := s.Peer().AddrPort().Addr().Unmap()
	return a.IsValid() && a.IsMulticast()
}

// The bounds of a group.
const (
	mostMembers = 1024
	// gathering is the part of the patience for which receivers may answer the greeting.
	gathering = 10
)

// A group is a stream to one.
type group struct {
	socket *socket.Socket
	ask    greeting
	sender *sender

	mu      sync.Mutex
	members map[socket.Name]*member
	refused string        // why the first that did so refused
	came    chan struct{} // something new
}

// A member is a receiver.
type member struct {
	name   socket.Name
	token  uint64
	parts  assembly
	report *report
	wrong  error
}

// group measures a stream to a group.
func (r *run) group(ctx context.Context, s *socket.Socket) error {
	defer s.Close()
	o := &r.options
	if o.Direction != Forward || o.Flows > 1 {
		return &OptionError{ErrGroup.Error()}
	}
	g := &group{socket: s, ask: r.asking(framed, 0), members: make(map[socket.Name]*member), came: make(chan struct{}, 1)}
	g.ask.direction, g.ask.warmUp, g.ask.count, g.ask.gap = forward, o.WarmUp, o.Count, o.gap()
	if o.Duration > 0 {
		g.ask.duration = o.WarmUp + o.Duration
	}
	g.ask.size = cmp.Or(g.ask.size, unreliableSize)
	if g.ask.size < headerSize {
		return refusef("messages of %d bytes: they need at least %d, for their number", g.ask.size, headerSize)
	}
	g.sender = &sender{socket: s, ask: &g.ask, pace: pacer{coarse: o.coarse}}
	c := &r.result.Conditions
	c.Look(s)
	c.Service, c.Size, c.Direction, c.Batch = "zocalo bench", g.ask.size, Forward, o.Batch

	reading := make(chan error, 1)
	go func() { reading <- g.read() }()
	defer func() { s.Close(); <-reading }()
	if err := g.gather(ctx, o.Patience); err != nil {
		return err
	}
	done := make(chan struct{})
	var attending sync.WaitGroup
	attending.Go(func() { g.attend(done) })
	defer attending.Wait()
	defer close(done)

	stop := context.AfterFunc(ctx, func() { g.sender.stop.Store(true) })
	defer stop()
	p := &phase{options: o, traffic: func() Traffic { return g.sender.all.traffic(0) }}
	p.run(nil)
	err := g.sender.run()
	p.end()
	if err != nil {
		return err
	}
	g.report(o.Patience)
	r.result.Intervals = p.intervals
	r.result.Near = &Side{Processor: p.spent, Sent: g.sender.counted.traffic(g.sender.ended.Sub(g.sender.began))}
	r.result.Elapsed = r.result.Near.Sent.Elapsed
	r.result.Receivers = g.receivers()
	return nil
}

// read takes what the receivers say, until the socket is closed.
func (g *group) read() error {
	var m socket.Message
	b := make([]byte, max(greetingSize, headerSize+reportPart)+1)
	m.SetData(b)
	for {
		err := g.socket.Receive(&m)
		switch {
		case err == nil:
			g.heard(m.Peer, b[:m.N])
		case !errors.Is(err, socket.ErrTruncated) && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
}

// heard takes what one receiver says: its answer to the greeting, or a part of its report.
func (g *group) heard(from socket.Name, b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() {
		select {
		case g.came <- struct{}{}:
		default:
		}
	}()
	n := g.members[from]
	if len(b) == greetingSize && bytes.HasPrefix(b, []byte(answerWord)) {
		var a answer
		switch err := a.parse(b); {
		case err != nil:
		case a.token == 0:
			g.refused = cmp.Or(g.refused, fmt.Sprintf("%v refused: %s", from, a.reason))
		case n != nil:
			n.token = a.token
		case len(g.members) < mostMembers:
			g.members[from] = &member{name: from, token: a.token}
		}
		return
	}
	var h header
	if n == nil || n.report != nil || len(b) < headerSize || h.parse(b) != nil || h.kind != reportFrame || h.length != len(b) {
		return
	}
	complete, err := n.parts.add(&h, b[headerSize:])
	if err == nil && complete {
		n.report, err = n.parts.decode()
	}
	n.wrong = err
}

// gather says the greeting to the group until all have had the time to answer.
func (g *group) gather(ctx context.Context, patience time.Duration) error {
	text := g.ask.append(nil)
	began := time.Now()
	for {
		if _, err := g.socket.Write(text); err != nil {
			return err
		}
		select {
		case <-time.After(min(sayAgain, patience/gathering)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		g.mu.Lock()
		n, refused := len(g.members), g.refused
		g.mu.Unlock()
		switch since := time.Since(began); {
		case refused != "" && n == 0:
			return errors.New(refused)
		case since > patience/gathering && n > 0:
			return nil
		case since > patience:
			return fmt.Errorf("%v: nothing in the group answered within %s: has a zocalo bench --serve joined it, for example with udp4:any:PORT,multicast=GROUP?", g.socket.Peer(), units.Set(patience))
		}
	}
}

// each calls f for each receiver, in the order of their names.
func (g *group) each(f func(*member)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*member
	for _, n := range g.members {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *member) int { return a.name.Compare(b.name) })
	for _, n := range all {
		f(n)
	}
}

// tell sends a frame to one receiver. A receiver that does not get it is told again.
func (g *group) tell(n *member, kind frameType, number uint64, stamp int64) {
	var b [headerSize]byte
	h := header{kind: kind, length: headerSize, number: number, stamp: stamp}
	h.put(b[:])
	m := socket.Message{Peer: n.name}
	m.SetData(b[:])
	g.socket.Send(&m)
}

// attend says the start again and again, by which receivers know that their client has not gone.
func (g *group) attend(done <-chan struct{}) {
	again := time.NewTicker(attendance)
	defer again.Stop()
	for {
		g.each(func(n *member) { g.tell(n, startFrame, n.token, 0) })
		select {
		case <-again.C:
		case <-done:
			return
		}
	}
}

// report asks for the reports until all are there, or nothing comes any more.
func (g *group) report(patience time.Duration) {
	time.Sleep(grace)
	all := g.sender.all.messages.Load()
	warmUp := all - g.sender.counted.messages.Load()
	for heard := time.Now(); time.Since(heard) < patience; {
		missing := 0
		g.each(func(n *member) {
			if n.report != nil || n.wrong != nil {
				return
			}
			missing++
			g.tell(n, startFrame, n.token, 0) // perhaps it never came
			g.tell(n, endFrame, uint64(all), warmUp)
			g.tell(n, askFrame, uint64(all), int64(n.parts.missing()))
		})
		if missing == 0 {
			return
		}
		select {
		case <-g.came:
			heard = time.Now()
		case <-time.After(sayAgain):
		}
	}
}

// receivers are what they found.
func (g *group) receivers() (all []Receiver) {
	g.each(func(n *member) {
		r := Receiver{Name: n.name.String()}
		switch {
		case n.wrong != nil:
			r.Error = n.wrong.Error()
		case n.report == nil:
			r.Error = "it did not report what arrived"
		default:
			r.Machine, r.Side = &n.report.Machine, &n.report.Side
		}
		all = append(all, r)
	})
	return all
}

// receiverTable says what came to each receiver.
func (r *Result) receiverTable() [][]string {
	rows := [][]string{{"receiver", "received", "of", "lost", "", "repeated", "out of order", "jitter"}}
	for _, m := range r.Receivers {
		if m.Side == nil || m.Side.Arrivals == nil {
			rows = append(rows, []string{m.Name, cmp.Or(m.Error, "nothing came")})
			continue
		}
		a := m.Side.Arrivals
		rows = append(rows, []string{m.Name, units.Count(m.Side.Received.Messages), units.Count(a.Expected), units.Count(a.Lost), units.Percent(a.LostShare()),
			units.Count(a.Repeated), units.Count(a.Reordered), units.Time(a.SmoothedJitter)})
	}
	return rows
}

// remarkReceivers says which receivers nothing is known of.
func (r *Result) remarkReceivers() {
	for _, m := range r.Receivers {
		if m.Error != "" {
			r.remarkf("%s: %s", m.Name, m.Error)
		}
	}
}
