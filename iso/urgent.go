package iso

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/wait"
)

// mostUrgent is how many expedited data units wait to be taken. While there
// are so many, reading stops at the next.
const mostUrgent = 256

// urgent is the state of expedited data. It shares the TCP connection with
// everything else, so it is found as that is read: by Read as it comes to it,
// or by ReceiveUrgent, which reads ahead into the inbox while nobody reads.
type urgent struct {
	agreed  bool      // by both sides; set before the connection stands
	pump    wait.Turn // of whoever reads from TCP, and owns the inbox
	readers atomic.Int32
	changed wait.Bell // for ReceiveUrgent: data came, the pump is free, or there is no more
	room    wait.Bell // for Read: data was taken
	taking  wait.Turn // of ReceiveUrgent

	mu    sync.Mutex // guards the rest
	queue []expeditedData
	pos   int64   // bytes of ordinary data that were read
	marks []int64 // of them, as many came before expedited data
	end   error   // why there will be no more
}

type expeditedData struct {
	data [largestED]byte
	size int
}

func (u *urgent) init() {
	u.changed, u.room = wait.NewBell(), wait.NewBell()
}

// put adds expedited data that comes after so many bytes of ordinary data
// more. It returns false where there is no room.
func (u *urgent) put(b []byte, after int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == mostUrgent {
		return false
	}
	var d expeditedData
	d.size = copy(d.data[:], b)
	u.queue = append(u.queue, d)
	mark := u.pos + int64(after)
	if len(u.marks) == 0 || u.marks[len(u.marks)-1] != mark {
		u.marks = append(u.marks, mark)
	}
	u.changed.Ring()
	return true
}

// take takes the oldest, or says why there is none and will be none.
func (u *urgent) take() (d expeditedData, ok bool, end error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == 0 {
		return d, false, u.end
	}
	d = u.queue[0]
	u.queue = append(u.queue[:0], u.queue[1:]...)
	u.room.Ring()
	return d, true, nil
}

// pass counts bytes of ordinary data as read.
func (u *urgent) pass(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pos += int64(n)
	for len(u.marks) > 0 && u.marks[0] < u.pos {
		u.marks = append(u.marks[:0], u.marks[1:]...)
	}
}

// toMark returns how many bytes there are before the next mark; 0 where there
// is none.
func (u *urgent) toMark() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, mark := range u.marks {
		if mark > u.pos {
			return int(mark - u.pos)
		}
	}
	return 0
}

// finishUrgent says that no more expedited data will come.
func (e *connection) finishUrgent(why error) {
	u := &e.urgent
	u.mu.Lock()
	if u.end == nil {
		u.end = why
	}
	u.mu.Unlock()
	u.changed.Ring()
}

func (e *connection) isExpedited() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state == connected && e.urgent.agreed
}

// takePump gets the inbox for a reader, if need be from a ReceiveUrgent that
// waits for TCP.
func (e *connection) takePump(l *wait.Limits) error {
	u := &e.urgent
	if u.pump.TryTake() {
		return nil
	}
	u.readers.Add(1)
	defer u.readers.Add(-1)
	e.clock.kick()
	err := u.pump.Take(l)
	e.clock.unkick()
	return err
}

func (e *connection) givePump() {
	e.urgent.pump.Give()
	e.urgent.changed.Ring()
}

// urgentCame keeps expedited data that a reader came to, when there is room.
func (e *connection) urgentCame(b []byte) error {
	u := &e.urgent
	l := e.readLimits()
	for !u.put(b, 0) {
		if _, err := wait.Receive(&l, u.room); err != nil {
			return err
		}
	}
	return nil
}

func (e *connection) notAgreed(call string) error {
	if wait.IsClosed(e.closed) {
		return net.ErrClosed
	}
	if !e.isConnected() {
		return os.NewSyscallError(call, syscall.ENOTCONN)
	}
	return &socket.UnsupportedError{Feature: "urgent data on this connection", Needs: "the option expedited on both sides"}
}

// SendUrgent sends 1 to 16 bytes as expedited data. It goes out after what
// Write was given before.
func (e *connection) SendUrgent(b []byte) (int, error) {
	if !e.isExpedited() {
		return 0, e.notAgreed("send")
	}
	if len(b) == 0 || len(b) > largestED {
		return 0, fmt.Errorf("expedited data of %d bytes: it may have 1 to %d: %w", len(b), largestED, syscall.EMSGSIZE)
	}
	if err := e.startWriting(); err != nil {
		return 0, err
	}
	t := tpdu{code: codeED, end: true, data: b}
	packet := t.packet()
	traced(traceOut, e.tcp, &t, len(packet)-tpktHeader)
	if err := e.sendPacket(packet); err != nil {
		return 0, err
	}
	return len(b), nil
}

// ReceiveUrgent waits for expedited data and takes the oldest. It comes ahead
// of ordinary data only as far as is read ahead: 64 KiB. What does not fit b
// is lost, and ErrTruncated says so.
func (e *connection) ReceiveUrgent(ctx context.Context, b []byte) (int, error) {
	if !e.isExpedited() {
		return 0, e.notAgreed("recv")
	}
	u := &e.urgent
	l := wait.Limits{Ctx: ctx, Closed: e.closed, Deadline: &e.clock.read}
	if err := u.taking.Take(&l); err != nil {
		return 0, err
	}
	defer u.taking.Give()
	for {
		if err := l.Over(); err != nil {
			return 0, err
		}
		d, ok, end := u.take()
		switch {
		case ok:
			n := copy(b, d.data[:d.size])
			if n < d.size {
				return n, socket.ErrTruncated
			}
			return n, nil
		case end != nil:
			return 0, end
		}
		if u.readers.Load() == 0 && u.pump.TryTake() {
			full, err := e.lookAhead(ctx)
			u.pump.Give()
			switch {
			case err != nil && !endedByUs(err):
				e.finishUrgent(err)
				continue
			case !full:
				continue
			}
		}
		// Somebody reads, or must before there is room.
		if _, err := wait.Receive(&l, u.changed); err != nil {
			return 0, err
		}
	}
}

// lookAhead waits for more from TCP, and takes the expedited data out of what
// is in the inbox. It returns full where the inbox has no more room. The
// caller has the pump.
func (e *connection) lookAhead(ctx context.Context) (full bool, err error) {
	if e.fail != nil {
		return false, e.fail
	}
	if found, err := e.extract(); found || err != nil {
		return false, err
	}
	used := len(e.inbox) - e.start
	if used >= largeInbox || e.end != nil {
		return true, nil
	}
	if used == cap(e.inbox) {
		e.makeInbox(min(2*used, largeInbox))
	}
	kicked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		e.clock.kick()
		close(kicked)
	})
	e.ahead = true
	err = e.fill(used + 1)
	e.ahead = false
	if !stop() {
		<-kicked
		e.clock.unkick()
	}
	if err != nil {
		return false, err
	}
	_, err = e.extract()
	return false, err
}

// extract takes the expedited data out of the inbox, wherever it is there.
func (e *connection) extract() (found bool, err error) {
	after := min(e.payload, len(e.inbox)-e.start) // ordinary bytes in between
	if after < e.payload {
		return false, nil
	}
	for at := e.start + after; len(e.inbox)-at >= leastTPKT; {
		size, err := parseTPKT(e.inbox[at:])
		if err != nil || len(e.inbox)-at < size {
			return found, nil // the reader will tell
		}
		if e.inbox[at+5]&0xf0 != codeED {
			if e.inbox[at+4] != dataHeader-1 || e.inbox[at+5]&0xf0 != codeDT {
				return found, nil
			}
			after += size - leastTPKT
			at += size
			continue
		}
		t, err := decodeTPDU(e.inbox[at+tpktHeader : at+size])
		if err != nil || !e.urgent.put(t.data, after) {
			return found, nil
		}
		traced(traceIn, e.tcp, &t, size-tpktHeader)
		found = true
		e.inbox = append(e.inbox[:at], e.inbox[at+size:]...)
	}
	return found, nil
}

// AtMark reports whether the ordinary data that was sent before some expedited
// data was read, and none of what was sent after it.
func (e *connection) AtMark() (bool, error) {
	if !e.isExpedited() {
		return false, e.notAgreed("ioctl")
	}
	u := &e.urgent
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, mark := range u.marks {
		if mark == u.pos {
			return true, nil
		}
	}
	return false, nil
}
