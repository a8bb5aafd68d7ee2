package fault

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/relay"
	"zocalo/relay/join"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// A tester has one direction of a plan, and what comes out of it.
type tester struct {
	*testing.T
	plan   *Plan
	filter relay.Filter
	end    context.CancelFunc
	start  time.Time
	like   relay.Piece

	mu     sync.Mutex
	out    []came
	events []Event
	block  chan struct{} // what out waits for, if not nil
}

type came struct {
	what join.What
	data string
	at   time.Duration
	why  error
}

func parses(t testing.TB, specs ...string) (all []Fault) {
	t.Helper()
	for _, spec := range specs {
		f, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

var (
	bytesLike   = relay.Piece{What: join.Bytes}
	messageLike = relay.Piece{What: join.Message}
)

func impairs(t *testing.T, like relay.Piece, specs ...string) *tester {
	t.Helper()
	x := &tester{T: t, plan: New(42), like: like, start: time.Now()}
	x.plan.Log = func(e Event) { x.events = append(x.events, e) }
	if err := x.plan.Set(parses(t, specs...)...); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, x.end = context.WithCancel(context.Background())
	t.Cleanup(x.end)
	x.filter = x.plan.Filter(ctx, relay.Pair{Number: 1}, relay.A, func(p relay.Piece) error {
		if x.block != nil {
			<-x.block
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.out = append(x.out, came{p.What, string(p.Data), time.Since(x.start), p.Why})
		if p.Ends() {
			return net.ErrClosed
		}
		return nil
	})
	return x
}

func (x *tester) pass(texts ...string) {
	x.Helper()
	for _, text := range texts {
		p := x.like
		p.Data = []byte(text)
		if err := x.filter.Pass(p); err != nil {
			x.Fatal(err)
		}
		for i := range p.Data { // which is ours again
			p.Data[i] = '!'
		}
	}
}

// wants fails unless what came out since is this, each at that many milliseconds.
func (x *tester) wants(want ...came) {
	x.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	got := x.out
	x.out = nil
	for i := range got {
		got[i].why = nil
		got[i].at = got[i].at.Round(time.Microsecond)
	}
	for i := range want {
		want[i].what = max(want[i].what, x.like.What)
	}
	if !slices.EqualFunc(got, want, func(a, b came) bool { return a.what == b.what && a.data == b.data && a.at == b.at }) {
		x.Errorf("what came out is\n%v; want\n%v", got, want)
	}
}

func (x *tester) texts() (all []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.out {
		all = append(all, c.data)
	}
	return all
}

func (x *tester) did(what string) (n int) {
	for _, e := range x.events {
		if e.Did == what {
			n++
		}
	}
	return n
}

func ms(n float64, data string) came {
	return came{data: data, at: time.Duration(n * float64(time.Millisecond))}
}

var errReset = errors.New("reset")

func pieceOf(x *tester, text string) relay.Piece {
	p := x.like
	p.Data = []byte(text)
	return p
}

func sortedLines(lines []string) []string {
	slices.Sort(lines)
	return lines
}
