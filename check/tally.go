package check

import "fmt"

// endMark is the number of the records that say that all others were sent. No
// other record has one so large.
const endMark = 1 << 31

// A tally counts what arrives of the records 0 to sent-1, each once and in
// that order if all is well.
type tally struct {
	sent  int
	sizes func(i int) int // of the records sent

	arrived []bool // whole
	spoiled []bool // in part, or altered
	last    int    // the greatest number that arrived; -1 at first
	marks   int    // end marks that arrived

	repeated   fault // records that came twice
	disordered fault // records that came after one with a greater number
	altered    fault // records whose bytes are not those sent
	misbounded fault // messages that are not one record, the whole of it

	pending []byte // of a stream: what is not a whole record yet
	strange int    // of a stream: bytes since the last record that belong to none
	rest    []byte // of messages: the first part of a record, whose rest may follow
}

// A fault is something that went wrong a number of times.
type fault struct {
	count int
	first string // how it looked the first time
}

func (f *fault) add(format string, args ...any) {
	if f.count++; f.count == 1 {
		f.first = fmt.Sprintf(format, args...)
	}
}

func newTally(sent int, sizes func(int) int) *tally {
	return &tally{sent: sent, sizes: sizes, arrived: make([]bool, sent), spoiled: make([]bool, sent), last: -1}
}

// counts returns how many records came whole, and how many not at all.
func (t *tally) counts() (arrived, lost int, firstLost string) {
	for i := range t.sent {
		switch {
		case t.arrived[i]:
			arrived++
		case !t.spoiled[i]:
			if lost++; lost == 1 {
				firstLost = fmt.Sprintf("number %d never came", i)
			}
		}
	}
	return arrived, lost, firstLost
}

// ended reports whether everything was sent. It does not trust the first end
// mark, which a fault may have put before a record.
func (t *tally) ended() bool { return t.marks > endMarks/2 }

// record counts a record that arrived whole.
func (t *tally) record(number uint32) {
	i := int(number)
	switch {
	case number >= endMark:
		t.marks = max(t.marks, int(number-endMark)+1)
	case i >= t.sent:
		t.altered.add("a record numbered %d, which nobody sent", i)
	case t.arrived[i]:
		t.repeated.add("number %d came again", i)
	default:
		t.arrived[i] = true
		if i < t.last {
			t.disordered.add("number %d came after number %d", i, t.last)
		}
		t.last = max(t.last, i)
	}
}

func (t *tally) spoil(i int) {
	if i >= 0 && i < t.sent {
		t.spoiled[i] = true
	}
}

// stream counts what a read from a stream gave.
func (t *tally) stream(b []byte) {
	t.pending = append(t.pending, b...)
	for len(t.pending) > 0 {
		number, size, s := readRecord(t.pending)
		switch s {
		case partial:
			return
		case whole:
			t.gap(number)
			t.record(number)
			t.pending = t.pending[size:]
		default:
			// Look for the next record at every byte.
			t.strange++
			t.pending = t.pending[1:]
		}
	}
}

// gap blames the bytes that belong to no record on those missing before
// number, as far as they go.
func (t *tally) gap(number uint32) {
	if t.strange == 0 {
		return
	}
	bytes, next := t.strange, t.last+1
	t.strange = 0
	if next >= t.sent || int(number) == next {
		t.altered.add("%d bytes that nobody sent, after number %d", bytes, t.last)
		return
	}
	t.altered.add("%d bytes that are not a record, in place of the %d of number %d", bytes, t.sizes(next), next)
	for ; bytes > 0 && next < t.sent && next < int(number); next++ {
		t.spoil(next)
		bytes -= t.sizes(next)
	}
}

// message counts what one read from a socket with boundaries gave.
func (t *tally) message(b []byte) {
	if t.rest != nil {
		joined := append(t.rest, b...)
		t.rest = nil
		if number, size, s := readRecord(joined); s == whole && size == len(joined) {
			t.misbounded.add("number %d, of %d bytes, came as %d and %d", number, size, size-len(b), len(b))
			t.record(number)
			return
		}
		t.cut(joined[:len(joined)-len(b)])
	}
	number, size, s := readRecord(b)
	switch {
	case s == whole && size == len(b):
		t.record(number)
	case s == whole:
		t.record(number)
		t.misbounded.add("a message of %d bytes begins with number %d, which has %d", len(b), number, size)
		t.following(b[size:])
	case s == damaged && size == len(b):
		t.altered.add("number %d came with other bytes", number)
		t.spoil(int(number))
	case s == partial && size > 0:
		t.rest = append([]byte(nil), b...)
	case t.last+1 < t.sent && len(b) == t.sizes(t.last+1):
		t.altered.add("number %d came with other bytes", t.last+1)
		t.spoil(t.last + 1)
	default:
		t.altered.add("a message of %d bytes that is no record, after number %d", len(b), t.last)
		t.spoil(t.last + 1)
	}
}

// following counts what comes after a record in the same message.
func (t *tally) following(b []byte) {
	for len(b) > 0 {
		number, size, s := readRecord(b)
		switch s {
		case whole:
			t.record(number)
		case damaged:
			t.altered.add("number %d came with other bytes", number)
			t.spoil(int(number))
		default:
			t.altered.add("%d bytes that are not a record, after number %d", len(b), t.last)
			return
		}
		b = b[size:]
	}
}

// cut counts a message that is the first part of a record.
func (t *tally) cut(b []byte) {
	number, size, _ := readRecord(b)
	t.misbounded.add("number %d, of %d bytes, came as %d", number, size, len(b))
	if number >= endMark {
		return
	}
	t.altered.add("number %d came with %d of its %d bytes", number, len(b), size)
	t.spoil(int(number))
}

// finish counts what was left when nothing more came.
func (t *tally) finish() {
	if t.ended() {
		t.rest, t.pending = nil, nil // of an end mark more
	}
	if t.rest != nil {
		t.cut(t.rest)
		t.rest = nil
	}
	if len(t.pending) > 0 {
		t.strange += len(t.pending)
		t.pending = nil
	}
	t.gap(uint32(t.sent))
}
