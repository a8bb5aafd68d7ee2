package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"zocalo/internal/units"
	"zocalo/socket"
)

// The bounds of what is sent to a receiver that does not read, and how long a
// send may take before the sender is said to wait. A machine too busy to send
// in that time makes the figure smaller, and the verdict no different.
const (
	slowBytes    = 64 << 20
	slowMessages = 16384
	slowChunk    = 32 << 10
	slowMessage  = 1024
	slowWait     = 100 * time.Millisecond
)

// slow is the experiment on a receiver that does not read: the sender has to
// wait, and everything that was taken from it has to arrive after all.
func slow(t *trial) ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	sent, waited, err := t.fill(a)
	if err != nil {
		return nil, err
	}
	unit := "byte"
	if t.Promised.Bounded {
		unit = "message"
	}
	arrived, same, err := t.drain(b, sent)
	if err != nil {
		return nil, err
	}
	f := judge("slow", t.Promised.Reliable, arrived == sent && same)
	f.Sent = "as much as is accepted, to a receiver that does not read"
	f.Word = "does not wait"
	f.Seen = fmt.Sprintf("%s were taken, and the sender never had to wait", units.Plural(sent, unit))
	if waited {
		f.Word = "waits"
		f.Seen = fmt.Sprintf("the sender waits when %s are on their way", units.Plural(sent, unit))
	}
	switch {
	case arrived < sent:
		f.Word = "loses"
		f.Seen += fmt.Sprintf("; %s of them were lost", units.Count(sent-arrived))
	case !same:
		f.Word = "alters"
		f.Seen += "; they did not arrive as they were sent"
	default:
		f.Seen += "; all of them arrived in the end"
	}
	f.Figures = []Figure{{"taken", float64(sent), unit + "s"}, {"arrived", float64(arrived), unit + "s"}}
	return []Finding{f}, nil
}

// fill sends until the sender has to wait, and returns how many messages or,
// on a stream, bytes were taken.
func (t *trial) fill(s *socket.Socket) (sent int, waited bool, err error) {
	size, most := slowChunk, slowBytes
	if t.Promised.Bounded {
		size, most = t.fitting(slowMessage), slowMessages
	}
	if !t.Promised.Reliable {
		most /= 8
	}
	b := make([]byte, size)
	for sent < most {
		if t.Promised.Bounded {
			fillRecord(b, uint32(sent))
		} else {
			pattern(b, sent)
		}
		s.SetWriteDeadline(time.Now().Add(slowWait))
		n, err := s.Write(b)
		if !t.Promised.Bounded {
			sent += n
		} else if err == nil {
			sent++
		}
		switch {
		case err == nil || t.mayLose(err):
		case t.missing(err):
			return sent, true, nil
		default:
			return sent, false, err
		}
	}
	return sent, false, nil
}

// drain reads what fill sent, and returns how much of it arrived, and whether
// it was the same.
func (t *trial) drain(s *socket.Socket, sent int) (arrived int, same bool, err error) {
	same = true
	buffer, want := make([]byte, slowChunk), make([]byte, slowChunk)
	for arrived < sent {
		limit := t.patience
		if !t.Promised.Reliable {
			limit = silence // what is there is there
		}
		s.SetReadDeadline(time.Now().Add(limit))
		n, err := t.next(s, buffer)
		got := t.payload(buffer[:n])
		switch {
		case errors.Is(err, io.EOF), t.missing(err):
			return arrived, same, nil
		case err != nil && !errors.Is(err, socket.ErrTruncated):
			return arrived, same, err
		case t.Promised.Bounded:
			number, size, s := readRecord(got)
			same = same && s == whole && size == len(got) && (int(number) == arrived || !t.Promised.Ordered)
			arrived++
		default:
			same = same && bytes.Equal(got, pattern(want[:n], arrived))
			arrived += n
		}
	}
	return arrived, same, nil
}
