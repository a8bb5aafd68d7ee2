package datagrams

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

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
				q.put(m.data, m.segment)
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
			size += queueHeader + len(m.data)
		}
		if q.count() != want || q.size() != size || q.empty() != (len(model) == 0) {
			t.Fatalf("seed %d: %d datagrams in %d octets, want %d in %d", seed, q.count(), q.size(), want, size)
		}
	}
}

func TestDatagramsIn(t *testing.T) {
	for _, c := range []struct {
		octets, segment int
		want            int64
	}{{0, 0, 1}, {100, 0, 1}, {100, 100, 1}, {100, 200, 1}, {0, 100, 1}, {101, 100, 2}, {200, 100, 2}, {201, 100, 3}} {
		if got := datagramsIn(c.octets, c.segment); got != c.want {
			t.Errorf("%d octets in segments of %d are %d datagrams, want %d", c.octets, c.segment, got, c.want)
		}
	}
}

// Over any time, a rate lets pass what it says, what was saved up and the
// message that makes the debt; and no less.
func TestBucket(t *testing.T) {
	for _, rate := range []int64{3, 1000, 1500, 1 << 20, 1 << 33} {
		for _, step := range []time.Duration{time.Microsecond, time.Millisecond, 7 * time.Millisecond, time.Second} {
			var b bucket
			const message = 1200
			var passed int64
			now := time.Hour // after which it is full
			end := now + min(2000*step, 20*time.Second)
			for ; now < end; now += step {
				for passes := 0; !b.inDebt(rate, now) && passes < 10; passes++ {
					b.spend(rate, message, now)
					passed += message
				}
			}
			earned := float64(rate) * (end - time.Hour).Seconds()
			if most := earned + float64(burst(rate)) + message + 1; float64(passed) > most {
				t.Errorf("rate %d, steps of %v: %d octets passed of at most %.0f", rate, step, passed, most)
			}
			least := min(earned-float64(rate)*step.Seconds(), float64((end-time.Hour)/step)*10*message)
			if step < time.Second/8 && float64(passed) < least*0.999 { // else what is earned beyond what may be saved up is lost
				t.Errorf("rate %d, steps of %v: %d octets passed of at least %.0f", rate, step, passed, least)
			}
		}
	}
}

// Trouble is spoken of once, and again after a minute without.
func TestEpisodes(t *testing.T) {
	e := episodes{}
	for _, c := range []struct {
		kind string
		at   time.Duration
		want bool
	}{
		{"a", 0, true}, {"a", 1, false}, {"b", 2, true},
		{"a", episodeEnd, false}, {"a", 2 * episodeEnd, false}, {"a", 3*episodeEnd + 1, true},
	} {
		if got := e.begins(c.kind, c.at); got != c.want {
			t.Errorf("%s at %v: %v", c.kind, c.at, got)
		}
	}
	for i := range 10 * mostEpisodes {
		e.begins(string(rune(i)), 0)
	}
	if len(e) > mostEpisodes {
		t.Errorf("%d kinds are remembered", len(e))
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
	const all = sys.MostTrainOctets
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

func TestRecent(t *testing.T) {
	var r recent
	r.init()
	if r.oldest() != nil || r.newest() != nil {
		t.Fatal("an empty list has somebody")
	}
	var s [4]session
	for i := range s {
		s[i].number = int64(i)
		r.add(&s[i])
	}
	r.touch(&s[0])
	r.touch(&s[2])
	r.touch(&s[2])
	r.remove(&s[3])
	var got []int64
	for at := r.newest(); at != nil; at = r.older(at) {
		got = append(got, at.number)
	}
	if len(got) != 3 || got[0] != 2 || got[1] != 0 || got[2] != 1 || r.len != 3 || r.oldest() != &s[1] {
		t.Errorf("in the order of use: %v", got)
	}
}
