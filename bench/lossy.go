package bench

import (
	"time"

	"zocalo/internal/inbox"
	"zocalo/socket"
)

// What goes over a kind without connections may be lost: the start is said
// again until data comes, and the report asked for until it is there.
const (
	sayAgain = 50 * time.Millisecond
	// grace is what the last messages get to arrive before they count as
	// lost.
	grace = 100 * time.Millisecond
)

// writeLossy sends what the client sends where there is no connection.
func (f *streamFlow) writeLossy(interrupted, read <-chan struct{}) error {
	if f.ask.direction&reverse != 0 {
		if err := f.begin(interrupted, read); err != nil {
			return err
		}
	}
	if f.ask.direction == 0 {
		if err := f.begin(interrupted, read); err != nil {
			return err
		}
		f.held(interrupted, read)
	}
	if f.ask.direction&forward != 0 {
		if err := f.sender.run(); err != nil {
			return err
		}
	}
	if f.ask.direction&reverse != 0 {
		var over <-chan time.Time
		if f.ask.duration > 0 {
			timer := time.NewTimer(time.Until(f.receiver.begin.Add(f.ask.duration)))
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-f.ended:
		case <-interrupted:
		case <-over:
		case <-read:
		}
	}
	pause(grace, read)
	f.sent.Store(true)
	sent := uint64(f.sender.all.messages.Load())
	for {
		err := writeFrame(f.socket, startFrame, f.token, 0) // perhaps it never came
		if err == nil {
			err = f.sender.end(f.socket)
		}
		if err == nil {
			err = writeFrame(f.socket, askFrame, sent, f.wanted.Load())
		}
		if err != nil {
			return err
		}
		select {
		case <-read:
			return nil
		case <-f.part: // it came: ask for the next at once
		case <-time.After(sayAgain):
		}
	}
}

// attend says the start again and again, by which the server knows that its
// client has not gone.
func (f *streamFlow) attend(done <-chan struct{}) {
	again := time.NewTicker(attendance)
	defer again.Stop()
	for {
		writeFrame(f.socket, startFrame, f.token, 0) // what is wrong shows elsewhere too
		select {
		case <-again.C:
		case <-done:
			return
		}
	}
}

// begin says the start, until the server's data comes where there is any.
func (f *streamFlow) begin(interrupted, read <-chan struct{}) error {
	for {
		err := writeFrame(f.socket, startFrame, f.token, 0)
		if err != nil || f.ask.direction&reverse == 0 {
			return err
		}
		select {
		case <-f.began:
			return nil
		case <-interrupted:
			return nil
		case <-read:
			return nil
		case <-time.After(sayAgain):
		}
	}
}

// pause waits, or until c is closed.
func pause(d time.Duration, c <-chan struct{}) {
	select {
	case <-c:
	case <-time.After(d):
	}
}

// readLossy takes messages in batches, until the report is whole.
func (f *streamFlow) readLossy() error {
	inbox := newInbox(f.socket, f.ask.size)
	begun := false
	for {
		messages, err := inbox.Receive()
		now := time.Now()
		for i := range messages {
			for b := range messages[i].Segments() {
				if wrong := f.receiver.message(b, now); wrong != nil {
					return wrong
				}
			}
		}
		if !begun && f.receiver.all.messages.Load() > 0 {
			begun = true
			close(f.began)
		}
		if err != nil {
			return err
		}
	}
}

// newInbox makes an inbox for messages of up to size bytes, and for the protocol's
// own.
func newInbox(s *socket.Socket, size int) *inbox.Inbox {
	return inbox.New(s, max(size, greetingSize, headerSize+reportPart))
}
