package relay

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
)

// Join passes what each of two ends sends on to the other, by the rules of the
// package comment, until both have finished, one fails, or ctx or a time of o
// ends it. It then closes both: they are Join's from the call on, even if it
// refuses them. Nobody else may read from them meanwhile, or use the read
// deadlines; others may write, as SendUrgent does.
//
// The error is nil where both ends finished, and where a time of o ended the
// join; ctx's cause where ctx did; an *EndError where an end failed; and
// *NeedsFormatError, or another refusal, where nothing was begun.
func Join(ctx context.Context, a, b End, o Options) (Result, error) {
	j := &join{ends: [2]End{a, b}, opts: o, start: time.Now(), ended: make(chan struct{})}
	j.result.How = Failed // unless it begins
	err := o.check()
	if err == nil {
		err = check(&j.ends)
	}
	if err == nil {
		err = checkFiles(&j.ends, o.Files)
	}
	if err == nil {
		err = j.prepare()
	}
	if err == nil && ctx.Err() != nil {
		j.result.How, err = Cancelled, context.Cause(ctx)
	}
	if err != nil {
		for side := range j.flows {
			j.flows[side].release()
		}
		j.close(false)
		return j.result, err
	}

	stop := context.AfterFunc(ctx, func() { j.finish(Cancelled, 0, context.Cause(ctx)) })
	defer stop()
	j.clock.run(j)
	defer j.clock.stop()

	var others sync.WaitGroup
	for side := range j.flows {
		if w := j.flows[side].beside; w != nil {
			others.Go(w.run)
		}
	}
	others.Go(func() { j.flows[B].run() })
	j.flows[A].run()
	others.Wait()

	j.mu.Lock() // until finish, which ended the flows, has closed both ends
	defer j.mu.Unlock()
	for side := range j.flows {
		j.result.From[side] = j.flows[side].passed
	}
	j.result.Duration = time.Since(j.start)
	return j.result, j.err
}

// A join is two ends while they are joined.
type join struct {
	ends  [2]End
	opts  Options
	start time.Time
	flows [2]flow
	clock clock
	over  atomic.Bool   // nothing passes any more
	ended chan struct{} // closed when over is set

	mu     sync.Mutex
	result Result
	err    error
	done   [2]bool  // the flow from an end is over
	broken [2]error // why an end takes no more
	shut   [2]bool  // an end is shut down for writing, or is about to be
}

func (j *join) prepare() error {
	for side := range j.flows {
		if err := j.flows[side].init(j, Side(side)); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the join, once: it closes both ends, which ends every call on
// them. How it ended is what the first caller says.
func (j *join) finish(how How, side Side, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finishLocked(how, side, err)
}

func (j *join) finishLocked(how How, side Side, err error) {
	if j.over.Load() {
		return
	}
	j.over.Store(true)
	close(j.ended)
	j.result.How, j.result.Side = how, side
	if how == Reset || how == Failed {
		err = &EndError{side, err}
	}
	j.err = err
	j.close(how == Reset || how == Failed)
}

func (j *join) close(abort bool) {
	for _, e := range &j.ends {
		switch {
		case e.Socket == nil:
		case abort:
			e.Socket.Abort()
		default:
			e.Socket.Close()
		}
	}
}

// failed ends the join for an error of one end.
func (j *join) failed(side Side, err error) {
	if isReset(err) {
		j.finish(Reset, side, err)
		return
	}
	j.finish(Failed, side, err)
}

// breaks notes that a connected end takes no more. What it still sends passes,
// unless that flow is over; then the join is.
func (j *join) breaks(side Side, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken[side] == nil {
		j.broken[side] = err
	}
	j.flowEnds(side.other())
}

// flowDone notes that the flow from an end is over in order.
func (j *join) flowDone(from Side) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flowEnds(from)
}

// flowEnds ends the join with the second flow that is over. The caller holds
// mu.
func (j *join) flowEnds(from Side) {
	j.done[from] = true
	if !j.done[from.other()] {
		return
	}
	for side, err := range j.broken {
		if err != nil {
			j.finishLocked(Reset, Side(side), err)
			return
		}
	}
	j.finishLocked(Finished, 0, nil)
}

// endOfFile passes the end-of-file of an end on to the other, and reports
// whether it was one in order, and whether the other could be told.
func (j *join) endOfFile(from Side) (passed, told bool) {
	j.mu.Lock()
	err, ended := j.broken[from], j.over.Load()
	if err == nil && !j.shut[from] && wasReset(j.ends[from].Socket) {
		err = os.NewSyscallError("read", syscall.ECONNRESET)
	}
	if err != nil {
		// No end in order: what the other end sent was lost.
		j.finishLocked(Reset, from, err)
	}
	far := &j.ends[from.other()]
	closable := far.halfClosable()
	j.shut[from.other()] = closable
	j.mu.Unlock()
	if ended || err != nil {
		return false, false
	}
	// It may have to wait, and then finish ends it.
	told = closable && far.Socket.Shutdown(socket.Write) == nil
	if !told {
		j.clock.afterEOF()
	}
	return true, told
}

// wasReset reports whether a TCP connection that reads as finished, and is not
// shut down for writing, was in truth reset: the kernel tells a reset only to
// one call, which may have been the writer's.
func wasReset(s *socket.Socket) bool {
	if k := s.Kind(); k.Type != socket.Stream || k.Protocol == socket.MPTCP || k.Domain != socket.Inet && k.Domain != socket.Inet6 {
		return false
	}
	info, err := socket.ConnectionInfo.Get(s.Unwrap())
	return err == nil && info.State == tcpClosed
}

// tcpClosed is the state of a connection that is no more, under Linux's number.
const tcpClosed = 7
