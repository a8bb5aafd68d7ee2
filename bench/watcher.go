package bench

import (
	"context"
	"time"
)

// A watcher is a flow without data beside those that are echoed: by it the
// server tells what it cost.
type watcher struct {
	flow *streamFlow
	done chan struct{}
	err  error
}

// watch opens a watcher. It is nil where the far end is no Server.
func (r *run) watch(ctx context.Context, beside *flow) (*watcher, error) {
	if beside.echo {
		return nil, nil
	}
	g := r.asking(framed, r.options.Flows)
	g.size, g.verify = headerSize, false
	g.duration = MaxDuration
	if r.options.Duration > 0 {
		g.duration = 2*(r.options.WarmUp+r.options.Duration) + r.options.Patience
	}
	f, err := open(ctx, r.dial, g, &r.options)
	if err != nil {
		return nil, err
	}
	s := newStreamFlow(f, &r.options)
	w := &watcher{flow: s, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = s.run(nil, nil)
	}()
	return w, nil
}

// mark says that the measured time begins.
func (w *watcher) mark() {
	if w != nil {
		writeFrame(w.flow.socket, markFrame, 0, 0) // if it fails, so does the report
	}
}

// end gets the report, and adds the server's CPU time to the result.
func (w *watcher) end(r *run) {
	if w == nil {
		return
	}
	close(w.flow.hold)
	select {
	case <-w.done:
	case <-time.After(r.options.Patience):
		w.flow.giveUp(errStalled)
		<-w.done
	}
	w.flow.socket.Close()
	if w.err != nil {
		r.result.remarkf("the server did not report what the run cost it: %v", w.err)
		return
	}
	r.far([]*report{w.flow.report})
}

// cancel ends a watcher whose report nobody wants.
func (w *watcher) cancel() {
	if w != nil {
		w.flow.giveUp(errGivenUp)
		<-w.done
		w.flow.socket.Close()
	}
}
