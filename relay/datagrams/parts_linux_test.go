package datagrams

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
)

// A queue beside a plain slice of messages, put and taken at random.
func TestQueue(t *testing.T) {
	type message struct {
		data    []byte
		segment int
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var q queue
		var model []message
		ps := make([]piece, 0, 4)
		for range 500 {
			if r.IntN(2) == 0 {
				m := message{bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(40)), r.IntN(3) * 7}
				q.Put(m.data, m.segment)
				model = append(model, m)
				continue
			}
			got := q.peek(ps[:0], nil)
			if len(got) != min(len(model), cap(ps)) {
				t.Fatalf("seed %d: %d messages of %d", seed, len(got), len(model))
			}
			for i, p := range got {
				if !bytes.Equal(p.data, model[i].data) || p.segment != model[i].segment {
					t.Fatalf("seed %d: message %d is %v, want %v", seed, i, p, model[i])
				}
			}
			n, part := r.IntN(len(got)+1), 0
			model = model[n:]
			if n < len(got) {
				part = r.IntN(len(model[0].data) + 1)
				if part == len(model[0].data) {
					part = 0
				}
				model[0].data = model[0].data[part:]
			}
			q.take(n, part)
		}
		want, size := int64(0), 0
		for _, m := range model {
			want += datagramsIn(len(m.data), m.segment)
			size += pass.QueueHeader + len(m.data)
		}
		if n, _ := q.count(); n != want || q.Size() != size || q.Empty() != (len(model) == 0) {
			t.Fatalf("seed %d: %d datagrams in %d bytes, want %d in %d", seed, n, q.Size(), want, size)
		}
	}
}

func TestDatagramsIn(t *testing.T) {
	for _, c := range []struct {
		bytes, segment int
		want           int64
	}{{0, 0, 1}, {100, 0, 1}, {100, 100, 1}, {100, 200, 1}, {0, 100, 1}, {101, 100, 2}, {200, 100, 2}, {201, 100, 3}} {
		if got := datagramsIn(c.bytes, c.segment); got != c.want {
			t.Errorf("%d bytes in segments of %d are %d datagrams, want %d", c.bytes, c.segment, got, c.want)
		}
	}
}

func TestRunOf(t *testing.T) {
	one, other := &session{}, &session{}
	pieces := func(sizes ...int) []piece {
		ps := make([]piece, len(sizes))
		for i, n := range sizes {
			ps[i] = piece{data: make([]byte, n), of: one}
		}
		return ps
	}
	repeat := func(n, size int) []piece {
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = size
		}
		return pieces(sizes...)
	}
	change := func(ps []piece, i int, f func(*piece)) []piece {
		f(&ps[i])
		return ps
	}
	const all = sys.MostTrainBytes
	for _, c := range []struct {
		name    string
		ps      []piece
		longest int
		want    int
	}{
		{"one", pieces(10), all, 1},
		{"equal", pieces(10, 10, 10), all, 3},
		{"a shorter last", pieces(10, 10, 7, 10), all, 3},
		{"a longer follows", pieces(10, 11), all, 1},
		{"empty", pieces(0, 0), all, 1},
		{"empty follows", pieces(10, 0), all, 1},
		{"no trains", pieces(10, 10), 0, 1},
		{"longer than a path takes", pieces(100, 100), 99, 1},
		{"too many", repeat(65, 10), all, 64},
		{"too long", repeat(60, 1400), all, 46},
		{"another session", change(pieces(10, 10, 10), 2, func(p *piece) { p.of = other }), all, 2},
		{"a train follows", change(pieces(10, 10), 1, func(p *piece) { p.segment = 5 }), all, 1},
	} {
		if got := runOf(c.ps, c.longest); got != c.want {
			t.Errorf("%s: %d leave together, want %d", c.name, got, c.want)
		}
	}
}
