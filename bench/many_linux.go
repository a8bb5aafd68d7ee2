package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"zocalo/internal/loop"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// onLoops reports whether the requests are made by event loops rather than a
// goroutine for each flow, which costs less and is woken sooner: a generator's
// own part is what a measurement wants least of. It is so over streams of the
// kernel's, with requests that fit a loop's buffer, and more of them than
// threads that may wait for an answer each.
func (t *trips) onLoops() bool {
	o := t.options
	f := t.flows[0]
	if len(t.flows) <= runtime.GOMAXPROCS(0) && o.Depth == 1 || o.Mode == AtRate || o.Verify || f.kind.Bounded || f.socket.Domain() == socket.Unspecified || f.ask.size*o.Depth > loop.ScratchSize {
		return false
	}
	_, ok := socket.As[socket.Descriptor](f.socket)
	return ok
}

// allOnLoops makes the requests of all flows on one loop for every two
// processors, so that the other end has as many.
func (t *trips) allOnLoops() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	crews := make([]*crew, max(1, runtime.GOMAXPROCS(0)/2))
	for i := range crews {
		l, err := loop.New()
		if err != nil {
			for _, c := range crews[:i] {
				c.loop.Close()
			}
			return err
		}
		crews[i] = &crew{trips: t, loop: l, shard: t.watch.shard(i)}
	}
	var err error
	for i, f := range t.flows {
		if err = crews[i%len(crews)].join(f); err != nil {
			t.stop.Store(true)
			break
		}
	}
	var group sync.WaitGroup
	for _, c := range crews {
		group.Go(func() { c.run(ctx) })
	}
	group.Wait()
	for _, c := range crews {
		for _, w := range c.workers {
			// The socket is the flow's again, for what the kernel says of it.
			s, e := socket.FromFD(w.fd)
			if e != nil {
				sys.Close(w.fd)
				err = errors.Join(err, e)
				continue
			}
			w.flow.socket = s
		}
		if err == nil {
			err = c.err
		}
	}
	return err
}

// A crew are the flows of one loop.
type crew struct {
	*trips
	loop    *loop.Loop
	shard   *shard
	workers []*worker
	busy    int // workers that are not done
	look    loop.Timer
	err     error
}

// A worker makes the requests of one flow, on its crew's loop.
type worker struct {
	*crew
	flow    *flow
	fd      int
	request []byte

	sent, answered int64       // requests
	starts         []time.Time // of those under way, by number
	have           int         // octets of the next answer
	unsent         int         // octets of requests that the system had no room for
	waiting        bool        // for room
	last           time.Time   // when octets came
	done           bool
}

// join takes a flow's descriptor over.
func (c *crew) join(f *flow) error {
	fd, err := f.socket.Detach()
	if err != nil {
		return err
	}
	w := &worker{crew: c, flow: f, fd: fd, request: make([]byte, f.ask.size), starts: make([]time.Time, c.options.Depth)}
	fill(w.request, 0)
	c.workers = append(c.workers, w)
	return c.loop.Add(fd, loop.Readable, w)
}

// run runs the loop until all workers are done.
func (c *crew) run(ctx context.Context) {
	c.busy = len(c.workers)
	c.loop.Post(func() {
		if c.busy == 0 {
			c.loop.Stop()
		}
		c.loop.Arm(&c.look, c.options.Patience/4, c)
		for _, w := range c.workers {
			w.last = time.Now()
			for range c.options.Depth {
				w.next(time.Now())
			}
		}
	})
	c.loop.Run(ctx)
}

// Expired looks for workers that get no answer.
func (c *crew) Expired(*loop.Timer) {
	for _, w := range c.workers {
		if !w.done && time.Since(w.last) > c.options.Patience {
			w.fail(fmt.Errorf("%s: no answer for %v", w.flow.peer(), c.options.Patience))
			return
		}
	}
	c.loop.Arm(&c.look, c.options.Patience/4, c)
}

// fail ends the crew, and the run.
func (w *worker) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.stop.Store(true)
	w.loop.Stop()
}

// next sends a request, or ends the worker.
func (w *worker) next(now time.Time) {
	if w.done {
		return
	}
	if w.stop.Load() || w.flow.ask.count > 0 && w.sent >= w.flow.ask.count {
		if w.answered == w.sent {
			w.done = true
			if w.busy--; w.busy == 0 {
				w.loop.Stop()
			}
		}
		return
	}
	w.starts[w.sent%int64(len(w.starts))] = now
	w.asked(now)
	w.sent++
	w.unsent += len(w.request)
	w.push()
}

// push sends what is to be sent.
func (w *worker) push() {
	blocked := false
	for w.unsent > 0 {
		at := (len(w.request) - w.unsent%len(w.request)) % len(w.request)
		n, errno := sys.RawSend(w.fd, w.request[at:], 0)
		if errno == syscall.EAGAIN {
			blocked = true
			break
		}
		if errno != 0 {
			w.fail(os.NewSyscallError("send", errno))
			return
		}
		w.unsent -= n
	}
	if blocked != w.waiting {
		w.waiting = blocked
		events := loop.Readable
		if blocked {
			events |= loop.Writable
		}
		if err := w.loop.Change(w.fd, events); err != nil {
			w.fail(err)
		}
	}
}

// Ready takes answers, and sends the next request for each.
func (w *worker) Ready(e loop.Events) {
	if e&loop.Writable != 0 && w.waiting {
		w.push()
	}
	if e&^loop.Writable == 0 || w.done {
		return
	}
	n, errno := sys.RawRecv(w.fd, w.loop.Scratch(), 0)
	switch {
	case errno == syscall.EAGAIN:
		return
	case errno != 0:
		w.fail(os.NewSyscallError("recv", errno))
		return
	case n == 0:
		w.fail(fmt.Errorf("%s ended the connection: %w", w.flow.peer(), io.ErrUnexpectedEOF))
		return
	}
	now := time.Now()
	w.last = now
	size := len(w.request)
	for w.have += n; w.have >= size && w.answered < w.sent; w.have -= size {
		w.answer(w.shard, w.starts[w.answered%int64(len(w.starts))], now, size)
		w.answered++
		w.next(now)
	}
}
