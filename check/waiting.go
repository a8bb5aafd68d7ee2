package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"zocalo/socket"
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// A wait is one call that has to wait, and what should wake it.
type wait struct {
	call string                      // as "accept"
	by   string                      // what wakes it, as "Close"
	do   func(context.Context) error // the call; ctx is for waits woken by it
	wake func() error                // nil where a deadline does it
	woke func(error) bool            // whether the call returned for that reason
}

// waiting is the experiment on calls that wait, and on what wakes them: what
// they wait for, a deadline, a context, and Close.
func waiting(t *trial) ([]Finding, error) {
	waits, err := t.readWaits()
	if err != nil {
		return nil, err
	}
	if t.listens() {
		for _, more := range []func() ([]wait, error){t.acceptWaits, t.connectWaits} {
			w, err := more()
			if err != nil {
				return nil, err
			}
			waits = append(waits, w...)
		}
	}
	f := judge("waiting", true, true)
	f.Sent = "calls with nothing to take, and what should wake them"
	woken := map[string][]string{}
	var calls, problems []string
	for _, w := range waits {
		problem, err := t.try(w)
		if err == errRoom {
			continue
		}
		if err != nil {
			return nil, err
		}
		if problem != "" {
			problems = append(problems, problem)
			continue
		}
		if woken[w.call] == nil {
			calls = append(calls, w.call)
		}
		woken[w.call] = append(woken[w.call], w.by)
	}
	var seen []string
	for _, call := range calls {
		seen = append(seen, call+" is woken by "+strings.Join(woken[call], ", "))
	}
	f.Word, f.Seen = "woken", strings.Join(seen, "; ")
	if len(problems) > 0 {
		f.Verdict, f.Word, f.Seen = Broken, "not woken", strings.Join(problems, "; ")
	}
	return []Finding{f}, nil
}

// try makes a call wait, wakes it, and returns what was wrong.
func (t *trial) try(w wait) (problem string, err error) {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- t.note(w.do(ctx)) }()
	if w.wake != nil || w.by == "its context" {
		select {
		case err := <-returned:
			if err == errRoom {
				return "", err
			}
			return fmt.Sprintf("%s did not wait: %s", w.call, why(err)), nil
		case <-time.After(pause):
		}
	}
	woken := make(chan error, 1)
	if w.wake != nil {
		go func() { woken <- w.wake() }() // which may have to wait for the call
	} else {
		woken <- nil
	}
	if w.by == "its context" {
		cancel()
	}
	select {
	case err = <-returned:
	case <-time.After(t.patience):
		return fmt.Sprintf("%s is not woken by %s", w.call, w.by), nil
	case <-t.ctx.Done():
		return "", context.Cause(t.ctx)
	}
	if err == errRoom {
		return "", err
	}
	if !w.woke(err) {
		return fmt.Sprintf("%s, woken by %s, returned %s", w.call, w.by, why(err)), nil
	}
	return "", <-woken
}

// What a call returns when it was woken by this or that.
func fine(err error) bool     { return err == nil }
func expired(err error) bool  { return errors.Is(err, os.ErrDeadlineExceeded) }
func closed(err error) bool   { return errors.Is(err, net.ErrClosed) }
func canceled(err error) bool { return errors.Is(err, context.Canceled) }

func (t *trial) readWaits() ([]wait, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	read := func(context.Context) error {
		_, err := b.Read(make([]byte, headroom))
		return err
	}
	return []wait{
		{"read", "a deadline", func(ctx context.Context) error {
			b.SetReadDeadline(time.Now().Add(pause))
			defer b.SetReadDeadline(time.Time{})
			return read(ctx)
		}, nil, expired},
		{"read", "a message", read, func() error { return t.write(a, []byte{1}) }, fine},
		{"read", "Close", read, b.Close, closed},
	}, nil
}

func (t *trial) acceptWaits() ([]wait, error) {
	l, err := t.listener(4)
	if err != nil {
		return nil, err
	}
	name := l.Name()
	accept := func(ctx context.Context) error {
		_, err := t.keep(l.Accept(ctx))
		return err
	}
	return []wait{
		{"accept", "a deadline", func(ctx context.Context) error {
			l.SetReadDeadline(time.Now().Add(pause))
			defer l.SetReadDeadline(time.Time{})
			return accept(ctx)
		}, nil, expired},
		{"accept", "its context", accept, nil, canceled},
		{"accept", "a client", accept, func() error {
			_, err := t.client(name, 0)
			return err
		}, fine},
		{"accept", "Close", accept, l.Close, closed},
	}, nil
}

// errRoom says that a client got in where the queue was thought to be full: a
// machine was busy for so long that a client before it seemed to wait. Nothing
// is known of what would have woken it.
var errRoom = errors.New("the queue has room after all")

// connectWaits needs a listener whose queue is full; some kinds refuse then,
// and never wait.
func (t *trial) connectWaits() ([]wait, error) {
	name, _, beyond, err := t.overfill(1)
	if err != nil || beyond != waited {
		return nil, err
	}
	var cs [3]*socket.Socket
	for i := range cs {
		if cs[i], err = t.fresh(); err != nil {
			return nil, err
		}
	}
	connect := func(c *socket.Socket) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := c.Connect(ctx, name); err != nil {
				return err
			}
			return errRoom
		}
	}
	return []wait{
		{"connect", "a deadline", func(ctx context.Context) error {
			cs[0].SetWriteDeadline(time.Now().Add(pause))
			return connect(cs[0])(ctx)
		}, nil, expired},
		{"connect", "its context", connect(cs[1]), nil, canceled},
		{"connect", "Close", connect(cs[2]), cs[2].Close, closed},
	}, nil
}
