package sockettest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"zocalo/internal/impair"
	"zocalo/socket"
)

// A Fault is a way in which a socket breaks what its kind promises.
type Fault int

// The faults. A message here is what one call of Write, Writev or Send gives
// to the socket; on a stream, that is a piece of it, and Merge and Split break
// no promise there.
const (
	Lose    Fault = iota + 1 // the message is not sent
	Repeat                   // it is sent twice
	Reorder                  // it is sent after the one that follows
	Merge                    // it is sent together with the one that follows, as one
	Split                    // its halves are sent as two
	Cut                      // its second half is not sent
	Corrupt                  // one bit of it is changed
	Late                     // urgent data is sent after that much ordinary data more, not ahead
)

var faultNames = [...]string{Lose: "lose", Repeat: "repeat", Reorder: "reorder", Merge: "merge",
	Split: "split", Cut: "cut", Corrupt: "corrupt", Late: "late"}

// Faults returns all faults, in their order.
func Faults() []Fault { return []Fault{Lose, Repeat, Reorder, Merge, Split, Cut, Corrupt, Late} }

// String returns the fault's name, as "lose"; "none" for anything else.
func (f Fault) String() string {
	if f < Lose || f > Late {
		return "none"
	}
	return faultNames[f]
}

// Faulty returns a socket over s, which it then owns, that has the fault in
// what it sends, once in every so many messages, counted from 1: the last of
// each such group suffers. Less than 1 counts as 1. With [Late], urgent data
// waits for that many messages of ordinary data to be sent after it. What the
// socket receives is left alone, and what it accepts is faulty likewise.
//
// It does the same each time, and claims the properties of s. Nothing is said
// to the caller: as far as Write and Send tell, all was sent. What waits for a
// message to follow is sent by Shutdown and Close at the latest, by the latter
// only if that takes less than 100 ms.
func Faulty(s *socket.Socket, fault Fault, every int) *socket.Socket {
	return socket.Wrap(faulty(s, fault, every), s.Kind())
}

func faulty(s *socket.Socket, fault Fault, every int) socket.Endpoint {
	turn := impair.Every{N: max(every, 1)}
	if s.Type().Bounded() {
		return &faultyMessenger{faultyEndpoint{s: s, fault: fault, turn: turn}}
	}
	return &faultyEndpoint{s: s, fault: fault, turn: turn}
}

// faultyEndpoint is a layer over a socket: not a wrapper, so that nobody finds
// a way around the fault.
type faultyEndpoint struct {
	s     *socket.Socket
	fault Fault

	mu     sync.Mutex   // guards the rest, and keeps what is sent in its order
	turn   impair.Every // which messages suffer
	held   []byte       // a message that waits for the next, if holds
	heldTo socket.Name
	holds  bool
	urgent []lateUrgent
}

// lateUrgent is urgent data that waits for so many messages more.
type lateUrgent struct {
	data  []byte
	after int
}

// faultyMessenger is one whose kind carries messages.
type faultyMessenger struct{ faultyEndpoint }

func (f *faultyEndpoint) Lower() socket.Endpoint             { return f.s }
func (f *faultyEndpoint) Properties() socket.Properties      { return f.s.Properties() }
func (f *faultyEndpoint) Name() socket.Name                  { return f.s.Name() }
func (f *faultyEndpoint) Peer() socket.Name                  { return f.s.Peer() }
func (f *faultyEndpoint) SetReadDeadline(t time.Time) error  { return f.s.SetReadDeadline(t) }
func (f *faultyEndpoint) SetWriteDeadline(t time.Time) error { return f.s.SetWriteDeadline(t) }
func (f *faultyEndpoint) Bind(n socket.Name) error           { return f.s.Bind(n) }
func (f *faultyEndpoint) Listen(backlog int) error           { return f.s.Listen(backlog) }
func (f *faultyEndpoint) Read(b []byte) (int, error)         { return f.s.Read(b) }
func (f *faultyMessenger) Receive(m *socket.Message) error   { return f.s.Receive(m) }
func (f *faultyEndpoint) AtMark() (bool, error)              { return f.s.AtMark() }
func (f *faultyEndpoint) Connect(ctx context.Context, peer socket.Name) error {
	return f.s.Connect(ctx, peer)
}
func (f *faultyEndpoint) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	return f.s.ReceiveUrgent(ctx, b)
}

func (f *faultyEndpoint) Accept(ctx context.Context) (socket.Endpoint, error) {
	c, err := f.s.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return faulty(c, f.fault, f.turn.N), nil
}

func (f *faultyEndpoint) Write(b []byte) (int, error) {
	return f.send(&socket.Message{Buffers: [][]byte{b}})
}

func (f *faultyEndpoint) Writev(buffers [][]byte) (int64, error) {
	n, err := f.send(&socket.Message{Buffers: buffers})
	return int64(n), err
}

func (f *faultyMessenger) Send(m *socket.Message) (int, error) { return f.send(m) }

// send sends a message with the fault, if it is the turn of one.
func (f *faultyEndpoint) send(m *socket.Message) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data := bytes.Join(m.Buffers, nil)
	n, err := f.spoil(m, data, f.turn.Lost(nil))
	if err != nil {
		f.turn.Again()
		return n, err
	}
	return len(data), f.sendLate()
}

func (f *faultyEndpoint) spoil(m *socket.Message, data []byte, turn bool) (int, error) {
	if f.holds {
		return 0, f.release(m, data)
	}
	if f.fault == Late || !turn {
		return f.pass(m, data)
	}
	half := len(data) / 2
	switch f.fault {
	case Lose:
		return 0, nil
	case Repeat:
		if n, err := f.pass(m, data); err != nil {
			return n, err
		}
	case Reorder, Merge:
		f.held, f.heldTo, f.holds = data, m.Peer, true
		return 0, nil
	case Split:
		if n, err := f.pass(m, data[:half]); err != nil {
			return n, err
		}
		data = data[half:]
	case Cut:
		data = data[:half]
	case Corrupt:
		count := f.turn.Count()
		impair.Flip(data, 8*(count%max(len(data), 1))+count%8)
	}
	return f.pass(m, data)
}

// release sends what was held back together with the message after it. Held
// data is dropped only once it was sent, so that a deadline loses nothing.
func (f *faultyEndpoint) release(m *socket.Message, data []byte) error {
	if f.fault == Merge {
		_, err := f.pass(m, append(slices.Clone(f.held), data...))
		f.holds = err != nil
		return err
	}
	if _, err := f.pass(m, data); err != nil {
		return err
	}
	return f.flush()
}

// flush sends what is held back without waiting for a next message.
func (f *faultyEndpoint) flush() error {
	if !f.holds {
		return nil
	}
	_, err := f.pass(&socket.Message{Peer: f.heldTo}, f.held)
	f.holds = err != nil
	return err
}

// pass sends data beneath, with what else the message has.
func (f *faultyEndpoint) pass(m *socket.Message, data []byte) (int, error) {
	if !f.s.Type().Bounded() {
		return f.s.Write(data)
	}
	changed := *m
	changed.Buffers = [][]byte{data}
	return f.s.Send(&changed)
}

// SendUrgent holds the data back where the fault is Late.
func (f *faultyEndpoint) SendUrgent(b []byte) (int, error) {
	if f.fault != Late {
		return f.s.SendUrgent(b)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.urgent = append(f.urgent, lateUrgent{slices.Clone(b), f.turn.Count() + f.turn.N})
	return len(b), nil
}

// sendLate sends the urgent data whose time has come.
func (f *faultyEndpoint) sendLate() error {
	for len(f.urgent) > 0 && f.urgent[0].after <= f.turn.Count() {
		if _, err := f.s.SendUrgent(f.urgent[0].data); err != nil {
			return err
		}
		f.urgent = f.urgent[1:]
	}
	return nil
}

// finish sends all that waits for something to follow.
func (f *faultyEndpoint) finish() error {
	for i := range f.urgent {
		f.urgent[i].after = 0
	}
	if err := f.flush(); err != nil {
		return err
	}
	return f.sendLate()
}

func (f *faultyEndpoint) Shutdown(how socket.ShutdownHow) error {
	if how != socket.ShutdownRead {
		f.mu.Lock()
		err := f.finish()
		f.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return f.s.Shutdown(how)
}

// linger is how long Close tries to send what waits.
const linger = 100 * time.Millisecond

func (f *faultyEndpoint) Close() error {
	if f.mu.TryLock() { // else a call is waiting to send, and this ends it
		if f.holds || len(f.urgent) > 0 {
			f.s.SetWriteDeadline(time.Now().Add(linger))
			f.finish() // it was as good as sent: there is nobody to tell
		}
		f.mu.Unlock()
	}
	return f.s.Close()
}

func (f *faultyEndpoint) Abort() error { return f.s.Abort() }
