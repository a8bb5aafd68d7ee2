package replay

import (
	"context"
	"errors"
	"io"
	"os"

	"zocalo/record/capture"
	"zocalo/socket"
)

// A hearing is what has come so far.
type hearing struct {
	*playing
	got      []byte // of a stream, not looked at yet
	recorded int64  // bytes of the recording that were passed
	came     int64  // bytes that came, and were
	message  int    // the number of the one that is due
	ended    bool   // the other side has ended
	answer   int
}

// hear hears what the other side does, to the end of the recording, and returns the
// first difference.
func (p *playing) hear() (*Difference, error) {
	h := &hearing{playing: p}
	if p.o.NoCompare {
		return nil, h.count()
	}
	for n := range p.part.turns {
		t := &p.part.turns[n]
		h.answer = n + 1
		for i := range t.items {
			d, err := h.item(t, &t.items[i])
			if err != nil || d != nil {
				return d, err
			}
		}
		p.result.Answers++
		p.heard(n + 1)
	}
	return nil, nil
}

func (h *hearing) item(t *turn, i *item) (*Difference, error) {
	switch i.what {
	case capture.Data:
		return h.stream(t, i)
	case capture.Message:
		return h.expect(t, i)
	case capture.Gap:
		return h.gap(t, i)
	}
	return h.end(t, i)
}

// failed makes of an error of reading a difference, where it is one.
func (h *hearing) failed(err error, d *Difference) (*Difference, error) {
	switch {
	case errors.Is(err, errSilent):
		d.Why = Silence
	case errors.Is(err, io.EOF):
		d.Why = TooShort
	case isReset(err):
		d.Why = WasReset
	default:
		return nil, err
	}
	return d, nil
}

func (h *hearing) difference(why Why) *Difference {
	return &Difference{Why: why, From: h.side.Other(), Answer: h.answer, RecordedOffset: h.recorded, CameOffset: h.came}
}

// stream hears bytes of a stream.
func (h *hearing) stream(t *turn, i *item) (*Difference, error) {
	c := newComparison(h.o.Ignore, i.text(), h.got)
	moment, last := false, false
	var failure error
	for {
		v := undecided
		if len(c.got) > 0 || last {
			v = c.look(last)
		}
		if v == open && last {
			v = complete
		}
		excess := int64(len(c.got)) > int64(len(c.want)-c.at)+streamBuffer
		if v == complete {
			h.recorded, h.came, h.got = h.recorded+i.size, h.came+int64(c.passed), c.got
			return nil, nil
		}
		if v == differs && (last || h.o.Ignore == nil || excess) || last && v == undecided && failure != nil {
			d := h.difference(Differs)
			d.RecordedOffset, d.CameOffset = h.recorded+int64(c.at), h.came+int64(c.passed)
			before := min(len(c.tail), c.at)
			d.around(c.want, append(c.tail[len(c.tail)-before:], c.got...), agreement{want: c.at, got: before})
			if v == differs {
				return d, nil
			}
			return h.failed(failure, d)
		}
		last = false
		moment = v == open || v == differs
		b, err := h.next(t, i, moment)
		switch {
		case err == nil:
			c.got = append(c.got, b...)
		case errors.Is(err, errPaused):
			last = true
		default:
			last, failure = true, err
		}
	}
}

// maxAhead is how many messages may come ahead of others, where the kind keeps no order.
const maxAhead = 64

// expect hears a message. Where the kind keeps no order, it may have come already.
func (h *hearing) expect(t *turn, i *item) (*Difference, error) {
	want := i.text()
	h.message++
	for n, b := range h.unheard {
		if h.same(want, b) {
			h.unheard = append(h.unheard[:n], h.unheard[n+1:]...)
			h.recorded += i.size
			return nil, nil
		}
	}
	for {
		b, err := h.next(t, i, false)
		if errors.Is(err, socket.ErrTruncated) {
			err = nil
		}
		d := h.difference(Differs)
		d.Message, d.RecordedOffset, d.CameOffset = h.message, 0, 0
		if err != nil && len(h.unheard) > 0 && errors.Is(err, errSilent) {
			b = h.unheard[0] // came in its place
		} else if err != nil {
			d.around(want, nil, agreement{})
			return h.failed(err, d)
		} else if h.same(want, b) {
			h.recorded += i.size
			return nil, nil
		} else if h.later(b) && len(h.unheard) < maxAhead {
			h.unheard = append(h.unheard, append([]byte(nil), b...))
			continue
		}
		c := newComparison(h.o.Ignore, want, append([]byte(nil), b...))
		v := c.look(true)
		switch {
		case v == complete:
			d.Why = TooLong
		case v == undecided:
			d.Why = TooShort
		}
		d.RecordedOffset, d.CameOffset = int64(c.at), int64(c.passed)
		d.around(want, b, agreement{want: c.at, got: c.passed})
		return d, nil
	}
}

// same reports whether a message is the one that was recorded.
func (h *hearing) same(want, got []byte) bool {
	if h.o.Ignore == nil {
		return string(want) == string(got)
	}
	c := newComparison(h.o.Ignore, want, got)
	return (len(want) == 0 || c.look(true) == complete) && len(c.got) == 0
}

// later reports whether a message is one of those that are expected after the one that
// is due, where the kind keeps no order.
func (h *hearing) later(b []byte) bool {
	if h.wire.s.Properties().Ordered {
		return false
	}
	seen := 0
	for n := h.answer - 1; n < len(h.part.turns); n++ {
		for i := range h.part.turns[n].items {
			each := &h.part.turns[n].items[i]
			if each.what != capture.Message {
				continue
			}
			if seen++; seen > maxAhead {
				return false
			}
			if h.same(each.text(), b) {
				return true
			}
		}
	}
	return false
}

// gap passes over what the recording lacks: as many bytes, or one message.
func (h *hearing) gap(t *turn, i *item) (*Difference, error) {
	if h.c.Bounded() {
		h.message++
		_, err := h.next(t, i, false)
		if err != nil && !errors.Is(err, socket.ErrTruncated) {
			return h.failed(err, h.difference(Silence))
		}
		return nil, nil
	}
	for left := i.size; ; {
		n := min(left, int64(len(h.got)))
		h.got, left = h.got[n:], left-n
		h.recorded, h.came = h.recorded+n, h.came+n
		if left == 0 {
			return nil, nil
		}
		b, err := h.next(t, i, false)
		if err != nil {
			return h.failed(err, h.difference(Silence))
		}
		h.got = append(h.got, b...)
	}
}

// end hears the end of the other side. Where the recording has a reset, an orderly end is
// as good: which of the two it is, time decides.
func (h *hearing) end(t *turn, i *item) (*Difference, error) {
	if h.ended || h.c.Type == socket.Datagram { // whose sockets end without a word
		return nil, nil
	}
	if len(h.got) == 0 {
		b, err := h.next(t, i, false)
		switch {
		case errors.Is(err, io.EOF):
			h.ended = true
			return nil, nil
		case isReset(err) && i.what == capture.Reset:
			h.ended = true
			return nil, nil
		case err != nil:
			return h.failed(err, h.difference(Silence))
		}
		h.got = append(h.got, b...)
	}
	d := h.difference(TooLong)
	d.around(nil, h.got, agreement{})
	return d, nil
}

// count hears what comes without looking at it, to pace what is sent.
func (h *hearing) count() error {
	over := false // nothing more will come
	for n := range h.part.turns {
		t := &h.part.turns[n]
		for k := range t.items {
			i := &t.items[k]
			left, some := i.size, false
			if i.what == capture.Message {
				left = 1 // which may be empty
			}
			for !over && left > 0 {
				b, err := h.next(t, i, some)
				switch {
				case errors.Is(err, errPaused): // it is shorter than it was
					left = 0
				case errors.Is(err, errSilent), errors.Is(err, io.EOF), isReset(err):
					over = true
				case err != nil && !errors.Is(err, socket.ErrTruncated):
					return err
				case h.c.Bounded():
					left = 0
				default:
					left, some = left-int64(len(b)), true
				}
			}
			if (i.what == capture.End || i.what == capture.Reset) && !over && h.c.Type != socket.Datagram {
				for !over {
					_, err := h.next(t, i, false)
					over = err != nil
					if errors.Is(err, context.Canceled) || errors.Is(err, os.ErrClosed) {
						return err
					}
				}
			}
		}
		h.heard(n + 1)
	}
	return nil
}
