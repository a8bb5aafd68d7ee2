package join_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The ways in which a stressed peer ends.
const (
	shuts = iota
	closes
	aborts
	ways
)

// A stressed peer sends all of data in pieces, some of them urgent, and then
// ends, while it takes what comes.
type stressed struct {
	kind     maker
	end      int
	sent     []byte
	writeErr error
	got      []byte
	readErr  error
}

func (p *stressed) run(s *socket.Socket, r *rand.Rand) {
	var reader sync.WaitGroup
	reader.Go(func() { p.got, p.readErr = io.ReadAll(s) })
	defer reader.Wait()
	for left := p.sent; len(left) > 0 && p.writeErr == nil; {
		n := min(len(left), 1+r.IntN(40_000))
		if r.IntN(8) == 0 {
			_, p.writeErr = s.SendUrgent(left[:1])
			n = 1
		} else {
			_, p.writeErr = s.Write(left[:n])
		}
		left = left[n:]
	}
	switch {
	case p.end == shuts && p.writeErr == nil:
		s.Shutdown(socket.ShutdownWrite)
	case p.end == aborts:
		s.Abort()
	default:
		s.Close()
	}
}

// Many at once, each ending as it likes: what arrives is what was sent, as far
// as it came, and no peer takes a stream cut short for a whole one.
func TestStress(t *testing.T) {
	joins := 500
	if testing.Short() {
		joins = 100
	}
	kinds := []maker{tcp, unix}
	room := make(chan struct{}, 50)
	var all sync.WaitGroup
	for i := range joins {
		room <- struct{}{}
		r := rand.New(rand.NewPCG(uint64(i), 0))
		var peers [2]*stressed
		for side := range peers {
			peers[side] = &stressed{kind: kinds[r.IntN(len(kinds))], end: r.IntN(ways), sent: noise(r.IntN(300_000), byte(i+side))}
		}
		seeds := [2]uint64{r.Uint64(), r.Uint64()}
		all.Go(func() {
			defer func() { <-room }()
			stress(t, i, peers, seeds)
		})
	}
	all.Wait()
}

func stress(t *testing.T, i int, peers [2]*stressed, seeds [2]uint64) {
	j := &joined{done: make(chan struct{})}
	var ends [2]join.End
	j.a, ends[0].Socket = peers[0].kind.make(t)
	ends[1].Socket, j.b = peers[1].kind.make(t)
	// Else urgent bytes may be lost that arrive before Join, or before the
	// peer's own reading.
	for _, s := range []*socket.Socket{j.a, j.b, ends[0].Socket, ends[1].Socket} {
		if err := option.OOBInline.Set(s, true); err != nil {
			t.Error(err)
		}
	}
	j.run(t, ends[0], ends[1], join.Options{})
	var both sync.WaitGroup
	for side, s := range []*socket.Socket{j.a, j.b} {
		both.Go(func() { peers[side].run(s, rand.New(rand.NewPCG(seeds[side], 0))) })
	}
	both.Wait()
	j.a.Close()
	j.b.Close()
	result, err := j.over()

	for side, me := range peers {
		from := peers[1-side]
		if !bytes.HasPrefix(from.sent, me.got) {
			t.Errorf("%d: end %v %s %s got what was never sent: %+v, %v", i, outcome.Side(side), me.kind.name, from.kind.name, result, err)
		}
		// A unix socket knows no reset, and of TCP the writer may be told in
		// the reader's place.
		whole := me.readErr == nil && me.writeErr == nil && me.kind.name == "tcp" && from.kind.name == "tcp"
		if whole && (from.end == aborts || from.writeErr != nil || len(me.got) < len(from.sent)) {
			t.Errorf("%d: end %v took %d of %d bytes for all: %+v, %v", i, outcome.Side(side), len(me.got), len(from.sent), result, err)
		}
		if peers[0].end == shuts && peers[1].end == shuts && (len(me.got) < len(from.sent) || result.How != outcome.Finished) {
			t.Errorf("%d: both ended in order, and end %v got %d of %d bytes: %+v, %v", i, outcome.Side(side), len(me.got), len(from.sent), result, err)
		}
	}
}
