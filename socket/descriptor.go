package socket

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket/wait"
)

// A descriptor owns a file descriptor and makes system calls on it wait
// without blocking a thread. A call is tried first, and only one that would
// have had to wait makes the descriptor join the runtime's poller; from then
// on calls go through it.
//
// The directions wait independently; within one, calls take turns.
type descriptor struct {
	fd       int
	blocking atomic.Bool  // O_NONBLOCK is not set: a system call on it may block
	refs     atomic.Int64 // calls inside, 1 for the owner, and the bit closed
	read     direction
	write    direction
	urgent   direction
	faults   direction // of the error queue

	mu        sync.Mutex
	file      *os.File      // owns fd once the descriptor asked to join the runtime's poller
	polled    bool          // file is in the poller
	changed   chan struct{} // made by whoever waits by a timer, closed to wake it
	gone      chan struct{} // made by a close that must wait, closed by destroy
	keep      bool          // detached: nobody may join, and destroy must not close fd
	destroyed bool
}

const closedBit = 1 << 62

// A direction is one of the ways in which a descriptor can be waited for.
type direction struct {
	turn     wait.Turn
	deadline atomic.Int64 // in nanoseconds since epoch, 0 for none

	// Of the call that holds the turn. The closure that the poller calls is
	// made once, so that waiting does not allocate.
	attempt attempt
	errno   syscall.Errno
	try     func(uintptr) bool
	raw     atomic.Pointer[syscall.RawConn] // nil before it joins the poller

	// Guarded by the descriptor's mu.
	nested      *os.File // an epoll instance that waits for this direction alone
	interrupted bool     // a context's end holds the deadline in the past
}

// An attempt is one system call that can be tried again: it answers EAGAIN
// when it has to wait. What it returns besides stays in the attempt.
type attempt interface {
	try(fd int) syscall.Errno
}

// epoch is what deadlines are counted from: by the monotonic clock, so that
// setting the wall clock does not move them.
var epoch = time.Now()

func (d *descriptor) init(fd int, blocking bool) {
	d.fd = fd
	d.refs.Store(1)
	if blocking {
		d.blocking.Store(true)
	}
}

// busy reports whether a call is inside.
func (d *descriptor) busy() bool {
	n := d.refs.Load()
	return n&closedBit == 0 && n > 1
}

func (d *descriptor) closed() bool { return d.refs.Load()&closedBit != 0 }

// enter begins a call that does not wait. It fails after close.
func (d *descriptor) enter() error {
	if d.refs.Add(1)&closedBit != 0 {
		d.leave()
		return net.ErrClosed
	}
	return nil
}

// leave ends what enter began.
func (d *descriptor) leave() {
	if d.refs.Add(-1) == closedBit {
		d.destroy()
	}
}

// begin begins a call that may wait in a direction; end ends it.
func (d *descriptor) begin(ctx context.Context, dir *direction) error {
	if err := d.enter(); err != nil {
		return err
	}
	if err := dir.turn.Wait(ctx); err != nil {
		d.leave()
		return err
	}
	if err := d.ready(dir); err != nil {
		d.end(dir)
		return err
	}
	return nil
}

func (d *descriptor) end(dir *direction) {
	dir.turn.Give()
	d.leave()
}

// ready reports why a call must not start: closed while it stood in line, or
// past its deadline.
func (d *descriptor) ready(dir *direction) error {
	if d.closed() {
		return net.ErrClosed
	}
	if t := dir.deadline.Load(); t != 0 && int64(time.Since(epoch)) >= t {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// do makes a until it need not wait, between begin and end. The errno is a's;
// an error says that waiting ended before.
func (d *descriptor) do(dir *direction, a attempt) (syscall.Errno, error) {
	raw := dir.raw.Load()
	if raw == nil {
		if errno := a.try(d.fd); errno != syscall.EAGAIN {
			return errno, nil
		}
		var err error
		if raw, err = d.join(dir); err != nil {
			return 0, err
		}
	}
	dir.attempt = a
	var err error
	if dir == &d.write && dir.nested == nil {
		err = (*raw).Write(dir.try)
	} else {
		err = (*raw).Read(dir.try)
	}
	dir.attempt = nil
	if err != nil {
		return 0, d.waitError(err)
	}
	return dir.errno, nil
}

// doContext is do that the end of ctx interrupts.
func (d *descriptor) doContext(ctx context.Context, dir *direction, a attempt) (syscall.Errno, error) {
	if ctx.Done() == nil {
		return d.do(dir, a)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		d.interrupt(dir, true)
		close(interrupted)
	})
	errno, err := d.do(dir, a)
	if !stop() {
		<-interrupted
		d.interrupt(dir, false)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = ctx.Err()
		}
	}
	return errno, err
}

// call is begin, do and end.
func (d *descriptor) call(dir *direction, a attempt) (syscall.Errno, error) {
	if err := d.begin(context.Background(), dir); err != nil {
		return 0, err
	}
	errno, err := d.do(dir, a)
	d.end(dir)
	return errno, err
}

// readable is the attempt that waits for something to read.
type readable struct{}

func (readable) try(fd int) syscall.Errno {
	if sys.Ready(fd, sys.Readable) {
		return 0
	}
	return syscall.EAGAIN
}

// WaitRead implements ReadWaiter.
func (d *descriptor) WaitRead() error {
	errno, err := d.call(&d.read, readable{})
	return firstError(err, "poll", errno)
}

// waitError names why waiting ended: close wakes whoever waits by a deadline, and
// the poller's own errors say little.
func (d *descriptor) waitError(err error) error {
	switch {
	case d.closed() || errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return err
}

// join puts the direction into the runtime's poller: the descriptor itself
// where it is ours alone and nonblocking, else an epoll instance that waits
// for it.
func (d *descriptor) join(dir *direction) (*syscall.RawConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed() || d.keep {
		return nil, net.ErrClosed
	}
	if raw := dir.raw.Load(); raw != nil {
		return raw, nil
	}
	if d.polls(dir) && !d.blocking.Load() && d.file == nil {
		d.file = os.NewFile(uintptr(d.fd), "socket") // which closes fd from now on
		if d.polled = d.file.SetDeadline(time.Time{}) == nil; d.polled {
			for _, both := range [...]*direction{&d.read, &d.write} {
				if err := d.joined(both, d.file); err != nil {
					return nil, err
				}
			}
			return dir.raw.Load(), nil
		}
		// Somebody made what we share with them blocking meanwhile, and the
		// poller refused it.
		d.blocking.Store(true)
	}
	file, err := d.nest(dir)
	if err != nil {
		return nil, err
	}
	dir.nested = file
	if err := d.joined(dir, file); err != nil {
		return nil, err
	}
	return dir.raw.Load(), nil
}

// joined makes a direction wait on file from now on.
func (d *descriptor) joined(dir *direction, file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	dir.try = func(uintptr) bool {
		dir.errno = dir.attempt.try(d.fd)
		return dir.errno != syscall.EAGAIN
	}
	d.setPollDeadline(dir, file)
	dir.raw.Store(&raw)
	return nil
}

// polls reports whether the runtime's poller knows the direction's events.
func (d *descriptor) polls(dir *direction) bool { return dir == &d.read || dir == &d.write }

// nest makes an epoll instance that is readable when the direction is.
func (d *descriptor) nest(dir *direction) (*os.File, error) {
	events := sys.Readable
	switch dir {
	case &d.write:
		events = sys.Writable
	case &d.urgent:
		events = sys.Urgent
	case &d.faults:
		events = 0 // errors are always told
	}
	ep, errno := sys.Nest(d.fd, events)
	if errno != 0 {
		return nil, sys.Error("epoll_ctl", errno)
	}
	return os.NewFile(uintptr(ep), "epoll"), nil
}

// setPollDeadline tells the poller the deadline that holds for the direction.
// The caller holds mu.
func (d *descriptor) setPollDeadline(dir *direction, file *os.File) {
	var t time.Time
	if n := dir.deadline.Load(); n != 0 {
		t = epoch.Add(time.Duration(n))
	}
	if dir.interrupted || d.closed() {
		t = time.Unix(1, 0)
	}
	if dir == &d.write && dir.nested == nil {
		file.SetWriteDeadline(t)
	} else {
		file.SetReadDeadline(t)
	}
}

// pollFile is what the direction waits on, nil before it joined.
func (d *descriptor) pollFile(dir *direction) *os.File {
	if dir.nested != nil {
		return dir.nested
	}
	if !d.polls(dir) || !d.polled {
		return nil
	}
	return d.file
}

// interrupt ends, or lets start again, the waiting of the call that holds the
// direction's turn.
func (d *descriptor) interrupt(dir *direction, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir.interrupted = on
	if file := d.pollFile(dir); file != nil {
		d.setPollDeadline(dir, file)
	}
}

// setDeadline sets a direction's deadline; the zero time is none.
func (d *descriptor) setDeadline(dir *direction, t time.Time) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.leave()
	var n int64
	if !t.IsZero() {
		if n = int64(t.Sub(epoch)); n == 0 {
			n = 1
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dir.deadline.Store(n)
	if file := d.pollFile(dir); file != nil {
		d.setPollDeadline(dir, file)
	}
	d.wakeTimers()
	return nil
}

// pause waits for a while between begin and end, where no event would tell:
// until the time has passed, the deadline, the end of ctx, or close.
func (d *descriptor) pause(ctx context.Context, dir *direction, wait time.Duration) error {
	d.mu.Lock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	changed := d.changed
	d.mu.Unlock()
	if err := d.ready(dir); err != nil {
		return err
	}
	if n := dir.deadline.Load(); n != 0 {
		wait = min(wait, time.Duration(n)-time.Since(epoch))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer.C:
	}
	return d.ready(dir)
}

// close ends the descriptor and every call on it, and returns when the last
// of them has left.
func (d *descriptor) close() error { return d.closeKeeping(false) }

func (d *descriptor) closeKeeping(keep bool) error {
	for {
		v := d.refs.Load()
		if v&closedBit != 0 {
			return net.ErrClosed
		}
		if d.refs.CompareAndSwap(v, v|closedBit) {
			break
		}
	}
	d.mu.Lock()
	d.keep = keep
	for _, dir := range d.directions() {
		if file := d.pollFile(dir); file != nil {
			d.setPollDeadline(dir, file)
		}
	}
	d.wakeTimers()
	d.mu.Unlock()
	if d.refs.Add(-1) == closedBit {
		d.destroy()
		return nil
	}
	d.mu.Lock()
	if d.destroyed {
		d.mu.Unlock()
		return nil
	}
	gone := make(chan struct{})
	d.gone = gone
	d.mu.Unlock()
	<-gone
	return nil
}

func (d *descriptor) directions() [4]*direction {
	return [4]*direction{&d.read, &d.write, &d.urgent, &d.faults}
}

// wakeTimers makes whoever waits by a timer look at the state again. The caller
// holds mu.
func (d *descriptor) wakeTimers() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// destroy closes the descriptor when nobody uses it any more. A call that
// comes too late, and leaves at once, may bring it here again.
func (d *descriptor) destroy() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.destroyed {
		return
	}
	d.destroyed = true
	for _, dir := range d.directions() {
		if dir.nested != nil {
			dir.nested.Close()
		}
	}
	switch {
	case d.file != nil:
		d.file.Close()
	case !d.keep:
		sys.Close(d.fd)
	}
	if d.gone != nil {
		close(d.gone)
	}
}

// detach takes the descriptor out: the same where it never joined the poller,
// else a duplicate.
func (d *descriptor) detach() (int, error) {
	if err := d.enter(); err != nil {
		return -1, err
	}
	d.mu.Lock()
	if d.closed() {
		// Whoever closed it has said whether destroy keeps fd.
		d.mu.Unlock()
		d.leave()
		return -1, net.ErrClosed
	}
	joined := d.file != nil
	d.keep = !joined // so that nobody joins from here on
	fd := d.fd
	var errno syscall.Errno
	if joined {
		fd, errno = sys.Dup(d.fd)
	}
	d.mu.Unlock()
	d.leave()
	if errno != 0 {
		return -1, sys.Error("dup", errno)
	}
	if err := d.closeKeeping(!joined); err != nil {
		if joined {
			sys.Close(fd)
		}
		return -1, err
	}
	return fd, nil
}

// rawConn is a descriptor's syscall.RawConn.
type rawConn struct{ d *descriptor }

type rawAttempt func(uintptr) bool

func (f rawAttempt) try(fd int) syscall.Errno {
	if f(uintptr(fd)) {
		return 0
	}
	return syscall.EAGAIN
}

func (c rawConn) Control(f func(fd uintptr)) error {
	if err := c.d.enter(); err != nil {
		return err
	}
	defer c.d.leave()
	f(uintptr(c.d.fd))
	return nil
}

func (c rawConn) Read(f func(fd uintptr) bool) error {
	_, err := c.d.call(&c.d.read, rawAttempt(f))
	return err
}

func (c rawConn) Write(f func(fd uintptr) bool) error {
	_, err := c.d.call(&c.d.write, rawAttempt(f))
	return err
}
