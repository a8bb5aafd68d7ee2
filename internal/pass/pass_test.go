package pass

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Over any time, a rate lets pass what it says, what was saved up and the
// message that makes the debt; and no less.
func TestPay(t *testing.T) {
	for _, rate := range []int64{3, 1000, 1500, 1 << 20, 1 << 33} {
		for _, step := range []time.Duration{time.Microsecond, time.Millisecond, 7 * time.Millisecond, time.Second} {
			paid := time.Duration(0)
			const message = 1200
			var passed int64
			now := time.Hour // after which it is full
			end := now + min(2000*step, 20*time.Second)
			for ; now < end; now += step {
				for passes := 0; paid <= now && passes < 10; passes++ {
					paid = Pay(paid, now, message, rate)
					passed += message
				}
			}
			earned := float64(rate) * (end - time.Hour).Seconds()
			if most := earned + float64(rate)*Burst.Seconds() + message + 1; float64(passed) > most {
				t.Errorf("rate %d, steps of %v: %d bytes passed of at most %.0f", rate, step, passed, most)
			}
			least := min(earned-float64(rate)*step.Seconds(), float64((end-time.Hour)/step)*10*message)
			if step < Burst && float64(passed) < least*0.999 { // else what is earned beyond what may be saved up is lost
				t.Errorf("rate %d, steps of %v: %d bytes passed of at least %.0f", rate, step, passed, least)
			}
		}
	}
}

// Trouble is spoken of once, and again after a minute without.
func TestTrouble(t *testing.T) {
	var x Trouble
	start := time.Now()
	for _, c := range []struct {
		kind string
		at   time.Duration
		want bool
	}{
		{"a", 0, true}, {"a", 1, false}, {"b", 2, true},
		{"a", troubleEnds, false}, {"a", 2 * troubleEnds, false}, {"a", 3*troubleEnds + 1, true},
	} {
		if got := x.Begins(c.kind, start.Add(c.at)); got != c.want {
			t.Errorf("%s at %v: %v", c.kind, c.at, got)
		}
	}
	for i := range 10 * mostKinds {
		x.Begins(string(rune(i)), start)
	}
	if len(x.last) > mostKinds {
		t.Errorf("%d kinds are remembered", len(x.last))
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{First: 2 * time.Second, Last: 10 * time.Second}
	pause := time.Duration(0)
	for i, want := range []time.Duration{2, 4, 8, 10, 10} {
		if pause = b.After(pause); pause != want*time.Second {
			t.Errorf("pause %d is %v", i, pause)
		}
	}
}

func TestLingerUntil(t *testing.T) {
	for _, c := range []struct{ began, heard, want time.Duration }{
		{5, 5, 7}, {5, 20, 22}, {5, 34, 35}, {5, 100, 35},
	} {
		if got := LingerUntil(c.began*time.Second, c.heard*time.Second); got != c.want*time.Second {
			t.Errorf("began at %v, heard at %v: %v", c.began, c.heard, got)
		}
	}
}

// An errno is found wherever it is in an error, and each class has its own.
func TestErrnos(t *testing.T) {
	for _, c := range []struct {
		errno                          syscall.Errno
		shortage, passing, reset, gone bool
	}{
		{errno: syscall.EMFILE, shortage: true},
		{errno: syscall.ENOBUFS, shortage: true},
		{errno: syscall.ECONNABORTED, passing: true, reset: true},
		{errno: syscall.ETIMEDOUT, passing: true, reset: true},
		{errno: syscall.EPIPE, reset: true, gone: true},
		{errno: syscall.ECONNREFUSED, passing: true, gone: true},
		{errno: syscall.EBADF},
		{errno: syscall.EOPNOTSUPP},
	} {
		for _, err := range []error{c.errno, errors.Join(errors.New("another"), fmt.Errorf("with more: %w", os.NewSyscallError("accept", c.errno)))} {
			if IsShortage(err) != c.shortage || IsPassing(err) != c.passing || IsReset(err) != c.reset || IsGone(err) != c.gone {
				t.Errorf("%v: shortage %v, passing %v, reset %v, gone %v", err, IsShortage(err), IsPassing(err), IsReset(err), IsGone(err))
			}
		}
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never, done := make(chan struct{}), make(chan struct{})
		close(done)
		var none, asked Abort
		asked.Now()
		asked.Now()
		for _, c := range []struct {
			limit time.Duration
			done  chan struct{}
			abort *Abort
			want  bool
			takes time.Duration
		}{
			{-1, done, &none, true, 0},
			{time.Minute, never, &none, false, time.Minute},
			{-1, never, &asked, false, 0},
		} {
			began := time.Now()
			if got := Drain(c.limit, c.done, c.abort); got != c.want || time.Since(began) != c.takes {
				t.Errorf("%+v: %v after %v", c, got, time.Since(began))
			}
		}
	})
}

// Sessions are in the order of use, among all and among those of their peer, of
// whom one that has as many as it may gives way to itself.
func TestRecent(t *testing.T) {
	one, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	r := Recent[int]{Max: 5, MaxPerPeer: 2}
	if r.Oldest() != nil || r.GivesWay(one) != nil {
		t.Fatal("there is a session in none")
	}
	s := make([]Entry[int], 5)
	for i := range s {
		s[i].Session = i
		r.Add(&s[i], []netip.Addr{one, other, one, {}, {}}[i], time.Duration(i))
	}
	r.Touch(&s[0], 10)
	r.Touch(&s[3], 11)
	r.Touch(&s[3], 12)
	order := func() (all []int) {
		for x := r.Oldest(); x != nil; x = r.Newer(x) {
			all = append(all, x.Session)
		}
		return all
	}
	if got := order(); !slices.Equal(got, []int{1, 2, 4, 0, 3}) || r.Len() != 5 || !r.Crowded() {
		t.Errorf("in the order of use: %v", got)
	}
	if x := r.GivesWay(one); x != &s[2] {
		t.Errorf("of a peer that has two, %v gives way", x)
	}
	if x := r.GivesWay(other); x != &s[1] {
		t.Errorf("of all, %v gives way", x)
	}
	if x, in := r.Idle(20, 30); x != nil || in != 11 {
		t.Errorf("idle is %v, in %d", x, in)
	}
	if x, _ := r.Idle(20, 15); x != &s[1] {
		t.Errorf("idle is %v", x)
	}
	r.Remove(&s[2])
	if r.Crowded() || r.GivesWay(one) != nil || !slices.Equal(order(), []int{1, 4, 0, 3}) {
		t.Errorf("after one left: %v", order())
	}
	for _, i := range []int{0, 4, 3, 1} {
		r.Remove(&s[i])
	}
	if r.Oldest() != nil || r.Len() != 0 || len(r.of) != 0 {
		t.Error("some are left")
	}
}

func TestTrain(t *testing.T) {
	for _, c := range []struct {
		sizes []int
		want  int
	}{
		{[]int{10}, 1}, {[]int{10, 10, 10}, 3}, {[]int{10, 10, 7, 10}, 3}, {[]int{10, 11}, 1}, {[]int{10, 0}, 1}, {[]int{0, 0}, 1}, {[]int{10, 10, 0, 10}, 2},
	} {
		if got := Train(len(c.sizes), func(i int) int { return c.sizes[i] }); got != c.want {
			t.Errorf("of %v %d leave together, want %d", c.sizes, got, c.want)
		}
	}
}

// Few of those that are refused in a second are kept for their moment.
func TestRefusals(t *testing.T) {
	var r Refusals
	for _, second := range []time.Duration{1, 2} {
		kept := 0
		for i := range time.Duration(100) {
			if r.MayWait(second*time.Second + i*time.Millisecond) {
				kept++
			}
		}
		if kept != mostRefused {
			t.Errorf("%d are kept", kept)
		}
	}
}

// An empty queue gives up its memory, which the next to fill takes, and messages are as
// they were put in; a short message that comes now and then keeps its own.
func TestQueueRests(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var qs [4]Queue
	var want [len(qs)][][]byte
	for range 5000 {
		i := rng.IntN(len(qs))
		q := &qs[i]
		if rng.IntN(2) == 0 {
			data := bytes.Repeat([]byte{byte(rng.Uint32())}, rng.IntN(1<<rng.IntN(18)))
			q.Put(data, 0)
			want[i] = append(want[i], data)
		}
		for !q.Empty() && rng.IntN(2) == 0 {
			for data := range q.All {
				if !bytes.Equal(data, want[i][0]) {
					t.Fatalf("%d bytes, want %d", len(data), len(want[i][0]))
				}
				break
			}
			q.Take(1, 0)
			want[i] = want[i][1:]
		}
		if q.Rest(); q.Empty() && cap(q.bytes) > restKeeps {
			t.Fatalf("an empty queue keeps %d bytes", cap(q.bytes))
		}
	}
	var q Queue
	short := func() {
		q.Put(make([]byte, 100), 0)
		q.Take(1, 0)
		q.Rest()
	}
	short()
	if n := testing.AllocsPerRun(100, short); n > 0 {
		t.Errorf("%v allocations of a short message", n)
	}
}
