package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// stream measures throughput.
func (r *run) stream(ctx context.Context) error {
	b, err := r.openBulk(ctx)
	var g groupSocket
	if errors.As(err, &g) {
		return r.group(ctx, g.Socket)
	}
	if err != nil {
		return err
	}
	defer b.close()
	p := &phase{options: &r.options, traffic: b.traffic}
	p.run(nil)
	err = b.run(ctx)
	p.end()
	if err != nil {
		return err
	}
	r.result.Intervals = p.intervals
	r.result.Near = b.near(p.spent)
	r.result.Elapsed = max(r.result.Near.Sent.Elapsed, r.result.Near.Received.Elapsed)
	r.ends(b)
	return nil
}

// ends fills in what the kernel and the server say of the flows.
func (r *run) ends(b *bulk) {
	r.tcp(b.sockets())
	r.far(b.reports())
	if f := b.flows[0]; f.mayLose() {
		r.result.Conditions.Offloads = "client: " + offloadWords(f.socket.Offloads()) + "; server: " + f.report.Offloads
	}
}

// A bulk is all the flows of a stream.
type bulk struct {
	options *Options
	flows   []*streamFlow
}

// openBulk opens the flows of a stream.
func (r *run) openBulk(ctx context.Context) (*bulk, error) {
	o := &r.options
	flows, err := r.openAll(ctx, func(i int) greeting {
		g := r.asking(framed, i)
		g.direction = map[Direction]uint8{Forward: forward, Reverse: reverse, Both: forward | reverse}[o.Direction]
		if o.Duration > 0 {
			g.duration = o.WarmUp + o.Duration
		}
		g.warmUp, g.count, g.gap = o.WarmUp, o.share(i), o.gap()
		return g
	})
	if err != nil {
		return nil, err
	}
	c := &r.result.Conditions
	c.Direction = o.Direction
	if flows[0].mayLose() {
		c.Batch = o.Batch
	}
	b := &bulk{options: o}
	for _, f := range flows {
		b.flows = append(b.flows, newStreamFlow(f, o))
	}
	return b, nil
}

func (b *bulk) close() {
	for _, f := range b.flows {
		f.socket.Close()
	}
}

func (b *bulk) sockets() (all []*socket.Socket) {
	for _, f := range b.flows {
		all = append(all, f.socket)
	}
	return all
}

func (b *bulk) reports() (all []*report) {
	for _, f := range b.flows {
		all = append(all, f.report)
	}
	return all
}

// traffic is all that went until now.
func (b *bulk) traffic() (t Traffic) {
	for _, f := range b.flows {
		t.Add(f.sender.all.traffic(0))
		t.Add(f.receiver.all.traffic(0))
	}
	return t
}

// near is what this end measured.
func (b *bulk) near(spent Processor) *Side {
	side := &Side{Processor: spent}
	for _, f := range b.flows {
		if f.ask.direction&forward != 0 {
			side.Sent.Add(f.sender.counted.traffic(f.sender.ended.Sub(f.sender.began)))
		}
		if f.ask.direction&reverse == 0 {
			continue
		}
		side.Received.Add(f.receiver.counted.traffic(f.receiver.elapsed()))
		side.Corrupt += f.receiver.corrupt
		if f.receiver.tracker != nil {
			if side.Arrivals == nil {
				side.Arrivals = &Arrivals{}
			}
			side.Arrivals.Merge(f.receiver.tracker.finish(f.report.TotalSent.Messages-f.report.Side.Sent.Messages, f.report.TotalSent.Messages))
		}
	}
	return side
}

// run moves the data of all flows, and gets the reports. The end of ctx ends
// the data early.
func (b *bulk) run(ctx context.Context) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { close(interrupted) })
	defer stop()
	errs := make([]error, len(b.flows))
	var group sync.WaitGroup
	failed := make(chan struct{})
	var once sync.Once
	for i, f := range b.flows {
		group.Go(func() {
			if errs[i] = f.run(interrupted, failed); errs[i] != nil {
				once.Do(func() { close(failed) })
			}
		})
	}
	group.Wait()
	return first(errs)
}

// A streamFlow is a flow of a stream.
type streamFlow struct {
	*flow
	options  *Options
	receiver *receiver
	sender   *sender
	parts    assembly
	report   *report

	began chan struct{} // closed when the server's first data came
	ended chan struct{} // closed when its data is over
	// Where messages may be lost, the part of the report to ask for, and that
	// one came.
	wanted atomic.Int64
	part   chan struct{}
	over   bool                  // ended is closed
	sent   atomic.Bool           // ours is
	hold   chan struct{}         // of a flow without data: closed when its report is wanted
	cause  atomic.Pointer[error] // why the flow was given up
}

func newStreamFlow(f *flow, o *Options) *streamFlow {
	s := &streamFlow{flow: f, options: o, began: make(chan struct{}), ended: make(chan struct{}), part: make(chan struct{}, 1), hold: make(chan struct{})}
	s.receiver = newReceiver(&s.flow.ask, f.kind)
	s.receiver.control = s.control
	s.sender = &sender{socket: f.socket, ask: &s.flow.ask, pace: pacer{coarse: o.coarse}}
	return s
}

// errWhole ends the reading of a flow whose report is there.
var errWhole = errors.New("the report is complete")

// control takes the server's frames.
func (f *streamFlow) control(h *header, payload []byte) error {
	switch h.kind {
	case endFrame:
		if !f.over {
			f.over = true
			close(f.ended)
		}
		return nil
	case reportFrame:
		complete, err := f.parts.add(h, payload)
		if err != nil || !complete {
			f.wanted.Store(int64(f.parts.missing()))
			select {
			case f.part <- struct{}{}:
			default:
			}
			return err
		}
		if f.report, err = f.parts.decode(); err != nil {
			return err
		}
		return errWhole
	}
	return fmt.Errorf("a frame of type %d from a server", h.kind)
}

// run moves the data of the flow, and gets its report.
func (f *streamFlow) run(interrupted, failed <-chan struct{}) error {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { f.guard(interrupted, failed, done) })
	group.Go(func() {
		watchdog(done, f.limit, func() int64 { return moved(&f.sender.all, &f.receiver.all) }, func() { f.giveUp(errStalled) })
	})
	if f.mayLose() {
		group.Go(func() { f.attend(done) })
	}
	var readErr, writeErr error
	read := make(chan struct{})
	group.Go(func() {
		defer close(read)
		if readErr = f.read(); readErr != nil {
			f.giveUp(readErr)
		}
	})
	if !f.mayLose() {
		writeErr = f.write(interrupted, read)
	} else {
		writeErr = f.writeLossy(interrupted, read)
	}
	if writeErr != nil {
		f.giveUp(writeErr)
	}
	<-read
	close(done)
	group.Wait()
	if f.report != nil {
		return nil
	}
	return f.blame(*f.cause.Load())
}

// giveUp ends the flow for a reason; the first is the one to tell.
func (f *streamFlow) giveUp(err error) {
	if f.cause.CompareAndSwap(nil, &err) {
		f.sender.stop.Store(true)
		f.socket.Close()
	}
}

// errStalled ends a flow over which nothing moves any more.
var errStalled = errors.New("nothing moves")

// limit is how long nothing may move.
func (f *streamFlow) limit() time.Duration {
	d := f.options.Patience + f.ask.gap
	if f.ask.direction == 0 { // nothing is to move until the report is wanted
		return d + f.ask.duration
	}
	if f.sent.Load() { // the system may still hold much of it, for a slow path
		d += f.ask.duration
	}
	return d
}

// guard ends the data when the run is interrupted, and the flow when another
// failed.
func (f *streamFlow) guard(interrupted, failed, done <-chan struct{}) {
	select {
	case <-interrupted:
		f.sender.stop.Store(true)
	case <-failed:
		f.giveUp(errGivenUp)
	case <-done:
		return
	}
	select {
	case <-failed:
		f.giveUp(errGivenUp)
	case <-done:
	}
}

// blame says what went wrong in the words of the run.
func (f *streamFlow) blame(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s ended the flow before its report", f.peer())
	case err == errStalled:
		return fmt.Errorf("%s: nothing moved for %s", f.peer(), units.Set(f.limit()))
	}
	return err
}

// read takes all that the server sends, until its report is whole.
func (f *streamFlow) read() error {
	var err error
	if !f.mayLose() {
		err = f.receiver.read(f.socket)
	} else {
		err = f.readLossy()
	}
	if err == errWhole {
		return nil
	}
	return err
}

// write sends what the client sends over a connection. It ends early when the
// reader has.
func (f *streamFlow) write(interrupted, read <-chan struct{}) error {
	defer f.sent.Store(true)
	if err := writeFrame(f.socket, startFrame, f.token, 0); err != nil {
		return err
	}
	switch {
	case f.ask.direction == 0:
		f.held(interrupted, read)
	case f.ask.direction&forward != 0:
		if err := f.sender.run(); err != nil {
			return err
		}
	default:
		select {
		case <-f.ended:
		case <-interrupted:
		case <-read:
		}
	}
	select {
	case <-interrupted:
		if err := writeFrame(f.socket, stopFrame, 0, 0); err != nil {
			return err
		}
	default:
	}
	return f.sender.end(f.socket)
}

// held waits until the report of a flow without data is wanted.
func (f *streamFlow) held(interrupted, read <-chan struct{}) {
	select {
	case <-f.hold:
	case <-interrupted:
	case <-read:
	}
}
