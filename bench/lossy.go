package bench

import (
	"errors"
	"syscall"
	"time"

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
		messages, err := inbox.receive()
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

// An inbox receives batches of messages from a socket without connections.
type inbox struct {
	socket   *socket.Socket
	messages []socket.Message
	want     int   // how many to ask for at once
	cut      int64 // messages that were too long
}

// trainSize is the longest train that the system joins of datagrams.
const trainSize = 64 << 10

// newInbox makes an inbox for messages of up to size octets. It joins
// datagrams to trains where the system can, unless the address said
// otherwise.
func newInbox(s *socket.Socket, size int) *inbox {
	in := &inbox{socket: s, want: 1}
	size = max(size, greetingSize, headerSize+reportPart) + 1
	if on, err := socket.JoinDatagrams.Get(s); err == nil && on {
		size = max(size, trainSize)
	}
	count := min(maxBatch, max(1, (4<<20)/size))
	memory := make([]byte, count*size)
	in.messages = make([]socket.Message, count)
	for i := range in.messages {
		in.messages[i].SetData(memory[i*size:][:size])
	}
	return in
}

// receive waits for messages. They are the inbox's until the next call. It asks
// for as many as came lately, since each that is asked for costs some time
// whether it comes or not: a single one would wait for the preparation of all.
func (in *inbox) receive() ([]socket.Message, error) {
	n, err := in.socket.ReceiveBatch(in.messages[:in.want])
	switch {
	case n == in.want:
		in.want = min(2*in.want, len(in.messages))
	case n < in.want/4:
		in.want /= 2
	}
	switch {
	case err == nil:
	case errors.Is(err, socket.ErrTruncated):
		in.cut++
		err = nil
	case errors.Is(err, syscall.ECONNREFUSED) && n == 0 && in.socket.Peer().IsZero():
		err = nil // of a peer that is gone: no matter of this socket's
	}
	return in.messages[:n], err
}
