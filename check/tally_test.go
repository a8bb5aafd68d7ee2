package check

import (
	"bytes"
	"slices"
	"testing"
)

// rec is the record of that number, of the size that sizes gives it.
func rec(number int) []byte {
	b := make([]byte, sizes(number))
	fillRecord(b, uint32(number))
	return b
}

func sizes(i int) int {
	if i >= endMark {
		return endMarkSize
	}
	return 40 + i
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 4
	return b
}

// counted is what a tally says, in short.
type counted struct{ arrived, lost, repeated, disordered, altered, misbounded int }

func (t *tally) counted() counted {
	arrived, lost, _ := t.counts()
	return counted{arrived, lost, t.repeated.count, t.disordered.count, t.altered.count, t.misbounded.count}
}

// Of five records, numbers 0 to 4, this or that arrives.
func TestTallyOfMessages(t *testing.T) {
	for _, test := range []struct {
		name     string
		messages [][]byte
		want     counted
	}{
		{"all", [][]byte{rec(0), rec(1), rec(2), rec(3), rec(4)}, counted{arrived: 5}},
		{"nothing", nil, counted{lost: 5}},
		{"one lost", [][]byte{rec(0), rec(1), rec(3), rec(4)}, counted{arrived: 4, lost: 1}},
		{"the first lost", [][]byte{rec(1), rec(2), rec(3), rec(4)}, counted{arrived: 4, lost: 1}},
		{"one repeated", [][]byte{rec(0), rec(1), rec(1), rec(2), rec(3), rec(4)}, counted{arrived: 5, repeated: 1}},
		{"two swapped", [][]byte{rec(0), rec(2), rec(1), rec(3), rec(4)}, counted{arrived: 5, disordered: 1}},
		{"two merged", [][]byte{rec(0), join(rec(1), rec(2)), rec(3), rec(4)}, counted{arrived: 5, misbounded: 1}},
		{"three merged", [][]byte{rec(0), join(rec(1), rec(2), rec(3)), rec(4)}, counted{arrived: 5, misbounded: 1}},
		{"one split", [][]byte{rec(0), rec(1)[:20], rec(1)[20:], rec(2), rec(3), rec(4)}, counted{arrived: 5, misbounded: 1}},
		{"one cut", [][]byte{rec(0), rec(1)[:20], rec(2), rec(3), rec(4)}, counted{arrived: 4, altered: 1, misbounded: 1}},
		{"the last cut", [][]byte{rec(0), rec(1), rec(2), rec(3), rec(4)[:20]}, counted{arrived: 4, altered: 1, misbounded: 1}},
		{"content altered", [][]byte{rec(0), flip(rec(1), 20), rec(2), rec(3), rec(4)}, counted{arrived: 4, altered: 1}},
		{"header altered", [][]byte{rec(0), flip(rec(1), 5), rec(2), rec(3), rec(4)}, counted{arrived: 4, altered: 1}},
		{"check sum altered", [][]byte{rec(0), flip(rec(1), 40), rec(2), rec(3), rec(4)}, counted{arrived: 4, altered: 1}},
		{"merged and altered", [][]byte{rec(0), join(rec(1), flip(rec(2), 20)), rec(3), rec(4)}, counted{arrived: 4, altered: 1, misbounded: 1}},
		{"somebody else's", [][]byte{rec(0), rec(1), []byte("hola"), rec(2), rec(3), rec(4)}, counted{arrived: 5, altered: 1}},
		{"a number nobody sent", [][]byte{rec(0), rec(1), rec(2), rec(3), rec(4), rec(5)}, counted{arrived: 5, altered: 1}},
		{"empty", [][]byte{rec(0), rec(1), {}, rec(2), rec(3), rec(4)}, counted{arrived: 5, altered: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := newTally(5, sizes)
			for _, m := range test.messages {
				got.message(m)
			}
			got.finish()
			if got.counted() != test.want {
				t.Errorf("%+v, want %+v; first altered %q, misbounded %q", got.counted(), test.want, got.altered.first, got.misbounded.first)
			}
		})
	}
}

func TestTallyOfAStream(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes []byte
		want  counted
	}{
		{"all", join(rec(0), rec(1), rec(2), rec(3), rec(4)), counted{arrived: 5}},
		{"nothing", nil, counted{lost: 5}},
		{"one lost", join(rec(0), rec(1), rec(3), rec(4)), counted{arrived: 4, lost: 1}},
		{"one repeated", join(rec(0), rec(1), rec(1), rec(2), rec(3), rec(4)), counted{arrived: 5, repeated: 1}},
		{"two swapped", join(rec(0), rec(2), rec(1), rec(3), rec(4)), counted{arrived: 5, disordered: 1}},
		{"one cut", join(rec(0), rec(1)[:20], rec(2), rec(3), rec(4)), counted{arrived: 4, altered: 1}},
		{"the last cut", join(rec(0), rec(1), rec(2), rec(3), rec(4)[:20]), counted{arrived: 4, altered: 1}},
		{"one byte lost", join(rec(0), rec(1)[:7], rec(1)[8:], rec(2), rec(3), rec(4)), counted{arrived: 4, altered: 1}},
		{"content altered", join(rec(0), flip(rec(1), 20), rec(2), rec(3), rec(4)), counted{arrived: 4, altered: 1}},
		{"size altered", join(rec(0), flip(rec(1), 11), rec(2), rec(3), rec(4)), counted{arrived: 4, altered: 1}},
		{"two altered", join(rec(0), flip(rec(1), 20), flip(rec(2), 20), rec(3), rec(4)), counted{arrived: 3, altered: 1}},
		{"bytes between", join(rec(0), rec(1), []byte("hola"), rec(2), rec(3), rec(4)), counted{arrived: 5, altered: 1}},
		{"bytes at the end", join(rec(0), rec(1), rec(2), rec(3), rec(4), []byte("hola")), counted{arrived: 5, altered: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, read := range []int{1, 7, 64, 1000} {
				got := newTally(5, sizes)
				for chunk := range slices.Chunk(test.bytes, read) {
					got.stream(chunk)
				}
				got.finish()
				if got.counted() != test.want {
					t.Errorf("by %d: %+v, want %+v; first altered %q", read, got.counted(), test.want, got.altered.first)
				}
			}
		})
	}
}

// Whatever arrives, the count adds up, and does not depend on how a stream was
// cut into reads.
func FuzzTally(f *testing.F) {
	f.Add(join(rec(0), rec(1)), uint8(3))
	f.Add(join(rec(1), flip(rec(0), 9), rec(2)[:30]), uint8(200))
	f.Add(join(rec(endMark), rec(0)[:3], []byte("Zoc")), uint8(1))
	f.Fuzz(func(t *testing.T, bytes []byte, size uint8) {
		read := int(size) + 1
		whole, parts, messages := newTally(5, sizes), newTally(5, sizes), newTally(5, sizes)
		whole.stream(bytes)
		for chunk := range slices.Chunk(bytes, read) {
			parts.stream(chunk)
			messages.message(chunk)
		}
		for _, got := range []*tally{whole, parts, messages} {
			got.finish()
			if c := got.counted(); c.arrived+c.lost > 5 || c.arrived < 0 || c.lost < 0 {
				t.Errorf("of 5: %+v", c)
			}
		}
		if whole.counted() != parts.counted() {
			t.Errorf("at once %+v, by %d %+v", whole.counted(), read, parts.counted())
		}
	})
}
