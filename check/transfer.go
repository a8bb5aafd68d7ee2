package check

import (
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"zocalo/socket"
)

// The end of what a transfer sends: so many end marks at once, then one a
// millisecond for a receiver that has lost them.
const (
	endMarks    = 8
	endMarkSize = 64
)

// transfer sends n records from a to b and counts what arrives. If overrun is
// set, nothing is read before all of them were sent.
func (t *trial) transfer(a, b *socket.Socket, n int, sizes func(int) int, overrun bool) (*tally, error) {
	var done atomic.Bool
	sent := make(chan error, 1)
	flooded := make(chan struct{})
	go func() { sent <- t.sendRecords(a, n, sizes, &done, flooded) }()
	if overrun {
		select {
		case <-flooded:
		case err := <-sent:
			return nil, err
		}
	}
	got := newTally(n, sizes)
	err := t.receiveRecords(b, got)
	done.Store(true)
	a.SetWriteDeadline(time.Unix(1, 0)) // nobody reads any more
	if sendErr := <-sent; err == nil {
		err = sendErr
	}
	return got, err
}

// sendRecords sends the records, closes flooded, and sends end marks until
// done. It fails only if a record could not be sent.
func (t *trial) sendRecords(s *socket.Socket, n int, sizes func(int) int, done *atomic.Bool, flooded chan<- struct{}) error {
	buffer := make([]byte, largestRecord)
	for i := range n {
		b := buffer[:sizes(i)]
		fillRecord(b, uint32(i))
		if err := t.write(s, b); err != nil && !t.mayLose(err) {
			if done.Load() {
				return nil // the receiver has given up, and knows why
			}
			return err
		}
	}
	close(flooded)
	give := time.Now().Add(2 * t.patience)
	for i := 0; !done.Load() && time.Now().Before(give); i++ {
		b := buffer[:endMarkSize]
		fillRecord(b, uint32(endMark+i))
		if err := t.write(s, b); err != nil && !t.mayLose(err) {
			return nil
		}
		if i >= endMarks {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// mayLose reports whether an error says that a message was lost on its way
// out, which a kind that is not reliable may do.
func (t *trial) mayLose(err error) bool {
	return !t.Promised.Reliable && (errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.EAGAIN))
}

// receiveRecords counts what arrives until the end marks do, or nothing comes
// for as long as patience lasts.
func (t *trial) receiveRecords(s *socket.Socket, got *tally) error {
	buffer := make([]byte, 2*largestRecord)
	for !got.ended() {
		b, err := t.read(s, buffer)
		switch {
		case err == nil && t.Promised.Bounded:
			got.message(b)
			continue
		case err == nil:
			got.stream(b)
			continue
		case err == io.EOF, t.missing(err):
			got.finish()
			return nil
		}
		return err
	}
	got.finish()
	return nil
}
