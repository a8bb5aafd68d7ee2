package replay

import (
	"time"

	"zocalo/record/capture"
)

// A part is a conversation as one side plays it: what it does, in steps, and what it
// hears between them, in turns.
type part struct {
	steps []step
	turns []turn
}

// A step is something that the side does.
type step struct {
	capture.Event
	turns int // that came before it in the recording
}

// A turn is what comes from the other side between two steps, or before the first, or
// after the last.
type turn struct {
	items []item
	steps int // that came before it in the recording
}

// An item is what is expected: bytes of a stream, a message, an end.
type item struct {
	what  capture.What
	data  [][]byte // of Data, in pieces; of a Message, one
	size  int64    // of all of it, or of a Gap
	at    time.Duration
	pause time.Duration // since whatever came before it in the recording
}

// partOf returns the part of a side.
func partOf(c *capture.Conversation, side capture.Side) *part {
	p := new(part)
	var before time.Duration
	mine := true
	for _, e := range c.Events {
		pause := e.At - before
		before = e.At
		if e.From == side {
			p.steps = append(p.steps, step{e, len(p.turns)})
			mine = true
			continue
		}
		if e.What == capture.Urgent { // comes beside the stream, and is not heard
			continue
		}
		if mine {
			p.turns = append(p.turns, turn{steps: len(p.steps)})
			mine = false
		}
		t := &p.turns[len(p.turns)-1]
		if last := len(t.items) - 1; e.What == capture.Data && last >= 0 && t.items[last].what == capture.Data {
			i := &t.items[last]
			i.data, i.size, i.pause = append(i.data, e.Data), i.size+int64(len(e.Data)), i.pause+pause
			continue
		}
		i := item{what: e.What, size: e.Size, at: e.At, pause: pause}
		if e.What == capture.Data || e.What == capture.Message {
			i.data, i.size = [][]byte{e.Data}, int64(len(e.Data))
		}
		t.items = append(t.items, i)
	}
	return p
}

// text is all that is expected, in one piece.
func (i *item) text() []byte {
	if len(i.data) == 1 {
		return i.data[0]
	}
	b := make([]byte, 0, i.size)
	for _, piece := range i.data {
		b = append(b, piece...)
	}
	return b
}
