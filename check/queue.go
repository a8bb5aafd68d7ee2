package check

import (
	"fmt"
	"time"

	"zocalo/internal/pass"
	"zocalo/socket"
)

// queue is the experiment on clients that connect before any accept: they are
// served in the order in which they came.
func queue(t *trial) ([]Finding, error) {
	const clients = 5
	if !t.listens() {
		return []Finding{skipped("queue", "this kind does not listen")}, nil
	}
	l, err := t.listener(2 * clients)
	if err != nil {
		return nil, err
	}
	f := Finding{Property: "queue", Sent: fmt.Sprintf("%d clients, before any accept", clients)}
	for i := range clients {
		c, err := t.client(l.Name(), 0)
		if t.missing(err) {
			f.Verdict, f.Word = Broken, "no queue"
			f.Seen = fmt.Sprintf("client %d is not admitted before an accept", i+1)
			return []Finding{f}, nil
		}
		if err == nil {
			err = t.write(c, []byte{byte(i + 1)})
		}
		if err != nil {
			return nil, err
		}
	}
	var order []byte
	for range clients {
		s, err := t.accept(l)
		if t.missing(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		number, err := t.take(s, 1)
		if err != nil && !t.missing(err) {
			return nil, err
		}
		order = append(order, number...)
	}
	inOrder := len(order) == clients
	for i, n := range order {
		inOrder = inOrder && int(n) == i+1
	}
	f.Verdict = judge("queue", true, inOrder).Verdict
	f.Word, f.Seen = "in order", "served in the order in which they came"
	if !inOrder {
		f.Word, f.Seen = "out of order", fmt.Sprintf("served as %d", order)
	}
	_, queued, beyond, err := t.overfill(2)
	if err != nil {
		return nil, err
	}
	f.Seen += fmt.Sprintf("; with a backlog of 2, %d get in, and the next %s", queued, beyond)
	f.Figures = []Figure{{"queued", float64(queued), ""}}
	return []Finding{f}, nil
}

// The bounds of filling a queue: how many clients, and how long one has to be
// let in.
const (
	fillClients = 16
	fillWait    = 50 * time.Millisecond
)

// overfill connects clients to a new listener until one does not get in, and
// says what became of that one.
func (t *trial) overfill(backlog int) (at socket.Name, queued int, beyond string, err error) {
	l, err := t.listener(backlog)
	if err != nil {
		return at, 0, "", err
	}
	for at = l.Name(); queued < fillClients; queued++ {
		_, err := t.client(at, fillWait)
		switch {
		case err == nil:
		case t.missing(err):
			return at, queued, waited, nil
		case t.ctx.Err() != nil, pass.IsShortage(err):
			return at, queued, "", err
		default:
			return at, queued, "is refused: " + why(err), nil
		}
	}
	return at, queued, "would too", nil
}

// waited is what becomes of a client where a queue that is full lets it wait.
const waited = "waits"

func skipped(property, reason string) Finding {
	return Finding{Property: property, Verdict: Skipped, Reason: reason}
}
