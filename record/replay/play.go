package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/frame"
	"zocalo/internal/units"
	"zocalo/record/capture"
	"zocalo/socket"
)

// A Result says what came of a conversation that was played.
type Result struct {
	Conversation *capture.Conversation
	Round        int // of Repeat, from 1

	// Difference is the first; nil where there is none. Err is why it could not be played
	// to its end; a difference is no error.
	Difference *Difference
	Err        error

	BytesSent, BytesReceived       int64
	MessagesSent, MessagesReceived int64 // or writes to a stream, and reads
	Answers                        int   // that were complete, and as they were recorded
	Took                           time.Duration
}

// A GapError says that a conversation could not be played further, since the recording lacks
// what was sent.
type GapError struct {
	Size int64 // bytes
	At   int64 // bytes that were sent before
}

func (e *GapError) Error() string {
	return fmt.Sprintf("the recording lacks %s after the first %s that were sent: the conversation ends there", units.Plural(e.Size, "byte"), units.Count(e.At))
}

// settle is how long what is ignored may go on, and an answer that differs where something is ignored
// become one that does not.
const settle = 200 * time.Millisecond

// A playing is a conversation that is being played.
type playing struct {
	*run
	ctx  context.Context // of this conversation
	c    *capture.Conversation
	side capture.Side
	part *part
	wire *wire
	base time.Time // when it began, by the clock

	// The goroutine that sends and the one that hears tell each other how far they are.
	steps atomic.Int64 // that were done
	turns atomic.Int64 // that have come
	moved chan struct{}
	did   []atomic.Int64 // when each step was done, as time since base
	last  atomic.Int64   // when anything came, likewise
	stuck atomic.Bool    // no more is sent, for an error
	shut  atomic.Bool    // the side has ended, and the kind has no other end than that of both

	result  *Result
	unheard [][]byte // messages that came ahead of those expected first
}

// play plays a conversation on a socket, which it closes.
func (r *run) play(ctx context.Context, s *socket.Socket, c *capture.Conversation, side capture.Side, base time.Time, format frame.Format) *Result {
	p := &playing{run: r, c: c, side: side, part: partOf(c, side), base: base, moved: make(chan struct{}, 1), result: &Result{Conversation: c}}
	began := time.Now()
	defer func() { p.result.Took = time.Since(began) }()
	if p.wire, p.result.Err = newWire(s, c, format); p.result.Err != nil {
		s.Abort()
		return p.result
	}
	p.did = make([]atomic.Int64, len(p.part.steps))
	p.touch(&p.last)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.ctx = ctx
	defer context.AfterFunc(ctx, func() { s.SetDeadline(time.Unix(1, 0)) })()
	heard := make(chan struct{})
	var difference *Difference
	var hearing error
	go func() {
		defer close(heard)
		if difference, hearing = p.hear(); difference != nil {
			cancel()
		}
	}()
	reset, err := p.perform(ctx)
	var gap *GapError
	if err != nil {
		p.stuck.Store(true)
		if errors.As(err, &gap) { // no answer would be to what was asked
			cancel()
		}
	}
	if !reset {
		<-heard
	}
	switch {
	case reset:
		s.Abort()
		<-heard
		if difference != nil && difference.Why == WasReset {
			difference = nil
		}
		hearing = nil
	case difference != nil:
	case gap != nil:
		hearing = gap
	case errors.Is(err, context.Canceled) || ctx.Err() != nil:
		hearing = context.Cause(ctx)
	case err != nil && !(p.c.Aborted && broken(err)):
		hearing = err
	}
	p.result.Difference = difference
	if difference == nil {
		p.result.Err = hearing
	}
	switch {
	case reset:
	case difference != nil || p.result.Err != nil:
		s.Abort()
	case side == capture.Server && !c.Bounded():
		s.CloseLingering()
	default:
		s.Close()
	}
	return p.result
}

// touch notes when something happened.
func (p *playing) touch(at *atomic.Int64) { at.Store(int64(time.Since(p.base))) }

// broken reports whether an error says that the other side took no more.
func broken(err error) bool { return isReset(err) || errors.Is(err, syscall.EPIPE) }

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNABORTED)
}

// perform does what the side did. reset is set where it ended with a reset, which is
// then due.
func (p *playing) perform(ctx context.Context) (reset bool, err error) {
	a := newAlarm()
	follows := p.o.Causal || p.side == capture.Server // an answer comes after its question
	for i := range p.part.steps {
		step := &p.part.steps[i]
		for follows && p.turns.Load() < int64(step.turns) {
			select {
			case <-p.moved:
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		if !p.o.Causal && p.o.speed() > 0 {
			due := p.base.Add(p.o.scaled(step.At))
			waits := time.Now().Before(due)
			if err := p.clock.sleep(ctx, a, due); err != nil {
				return false, err
			}
			if waits || p.side == capture.Client {
				p.lateness.add(time.Since(due))
			}
		} else if err := ctx.Err(); err != nil {
			return false, err
		}
		if step.What == capture.Reset {
			return true, nil
		}
		if err := p.do(step); err != nil {
			return false, err
		}
		p.touch(&p.did[i])
		p.steps.Add(1)
	}
	return false, nil
}

// do does one step.
func (p *playing) do(step *step) (err error) {
	w := p.wire
	switch step.What {
	case capture.Data, capture.Message:
		w.s.SetWriteDeadline(time.Now().Add(p.o.wait()))
		if p.ended() { // whose deadline may have been overwritten
			return context.Canceled
		}
		err = w.write(step.Data)
	case capture.Urgent:
		err = w.urgent(step.Data)
	case capture.Gap:
		return &GapError{step.Size, p.result.BytesSent}
	case capture.End:
		if err = w.s.Shutdown(socket.ShutdownWrite); errors.Is(err, errors.ErrUnsupported) {
			err = nil
			p.shut.Store(true)
			w.s.SetReadDeadline(time.Unix(1, 0)) // an end is not waited for
		}
		return err
	}
	if err == nil {
		p.result.BytesSent += int64(len(step.Data))
		p.result.MessagesSent++
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the peer read nothing for %s: --wait allows more", units.Set(p.o.wait()))
	}
	return err
}

// heard says that so many turns have come.
func (p *playing) heard(turns int) {
	p.turns.Store(int64(turns))
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

var (
	errSilent = errors.New("nothing came") // for as long as was waited
	errPaused = errors.New("nothing came for a moment")
)

// next reads what comes next, for as long as it may take: until an item is overdue, or only for
// a moment.
func (p *playing) next(t *turn, i *item, moment bool) ([]byte, error) {
	for {
		until := time.Now().Add(settle)
		if !moment {
			until = p.patience(t, i)
		}
		p.wire.s.SetReadDeadline(until)
		switch { // a deadline may have been overwritten
		case p.ended():
			return nil, context.Canceled
		case p.shutAt(i):
			return nil, io.EOF
		}
		b, err := p.wire.read()
		if err == nil || len(b) > 0 && errors.Is(err, io.EOF) {
			p.touch(&p.last)
			p.result.BytesReceived += int64(len(b))
			p.result.MessagesReceived++
			return b, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
		switch {
		case p.ended(), p.shutAt(i): // which the next round sees
		case moment:
			return nil, errPaused
		case !time.Now().Before(p.patience(t, i)):
			return nil, errSilent
		}
	}
}

// ended reports whether the playing was cut short.
func (p *playing) ended() bool { return p.ctx.Err() != nil }

// shutAt reports whether an item is an end that is ours too.
func (p *playing) shutAt(i *item) bool {
	return p.shut.Load() && (i.what == capture.End || i.what == capture.Reset)
}

// patience is until when an item is waited for: as long after what came before it as in the
// recording, and Wait longer.
func (p *playing) patience(t *turn, i *item) time.Time {
	if p.steps.Load() < int64(t.steps) && !p.stuck.Load() { // nobody has asked for it yet
		return time.Now().Add(p.o.wait())
	}
	before := p.last.Load()
	if t.steps > 0 {
		before = max(before, p.did[t.steps-1].Load())
	}
	return p.base.Add(time.Duration(before) + i.pause + p.o.wait())
}
