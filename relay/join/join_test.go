package join_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// Cancelled at each stage: idle, blocked in a write, after one end-of-file,
// before it begins. Both ends are closed when Join returns.
func TestCancel(t *testing.T) {
	stages := []struct {
		name  string
		reach func(t *testing.T, j *joined)
	}{
		{"idle", func(t *testing.T, j *joined) {
			writes(t, j.a, "x")
			wants(t, j.b, "x")
		}},
		{"blocked", func(t *testing.T, j *joined) {
			block(t, j.a)
		}},
		{"half closed", func(t *testing.T, j *joined) {
			try(t, j.a.Shutdown(socket.ShutdownWrite))
			wantsEOF(t, j.b)
		}},
	}
	cause := errors.New("the reason")
	for _, stage := range stages {
		t.Run(stage.name, func(t *testing.T) {
			eachPair(t, streams, func(t *testing.T, ma, mb maker) {
				j := &joined{done: make(chan struct{})}
				var a, b join.End
				j.a, a.Socket = ma.make(t)
				b.Socket, j.b = mb.make(t)
				ctx, cancel := context.WithCancelCause(context.Background())
				go func() {
					defer close(j.done)
					j.result, j.err = join.Join(ctx, a, b, join.Options{})
				}()
				stage.reach(t, j)
				cancel(cause)
				r, err := j.over()
				wantsErr(t, err, cause)
				if r.How != outcome.Cancelled {
					t.Errorf("ended as %v", r.How)
				}
				if ma.name != unix.name {
					wantsCut(t, j.a)
				}
				for _, s := range []*socket.Socket{a.Socket, b.Socket} {
					wantsErr(t, s.Close(), net.ErrClosed)
				}
				j.a.Close()
				j.b.Close()
			})
		})
	}
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		a, x := tcp.make(t)
		b, y := unix.make(t)
		defer x.Close()
		defer y.Close()
		r, err := join.Join(ctx, join.End{Socket: a}, join.End{Socket: b}, join.Options{})
		wantsErr(t, err, cause)
		if r.How != outcome.Cancelled {
			t.Errorf("ended as %v", r.How)
		}
		wantsCut(t, x)
		wantsEOF(t, y)
	})
}

// Cancelled while it waits to pass urgent data on beside the stream.
func TestCancelUrgent(t *testing.T) {
	j := plain(t, memory, memory)
	sendUrgent(t, j.a, "1")
	sendUrgent(t, j.a, "2") // waits at the far end, which takes none
	j.end()
	_, err := j.over()
	wantsErr(t, err, context.Canceled)
}

func TestIdle(t *testing.T) {
	for _, kind := range []maker{memory, memorySeqPacket, memoryDatagram} {
		t.Run(kind.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := start(t, kind, kind, join.End{}, join.End{}, join.Options{Idle: 10 * time.Second})
				begin := time.Now()
				for range 5 {
					time.Sleep(9 * time.Second)
					writes(t, j.b, "still here")
					wantsMessage(t, j.a, "still here")
				}
				r, err := j.over()
				cut := kind.name != memoryDatagram.name
				if took := time.Since(begin); (err == join.ErrIdle) != cut || r.How != outcome.Idle || took != 55*time.Second {
					t.Errorf("Join = %+v, %v after %v", r, err, took)
				}
			})
		})
	}
}

// A peer that never reads is idle too.
func TestIdleWhileBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memory, join.End{}, join.End{}, join.Options{Idle: time.Minute})
		go j.a.Write(make([]byte, 1<<20))
		if r, err := j.over(); err != join.ErrIdle || r.How != outcome.Idle || r.Duration != time.Minute {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// A datagram socket cannot be told of an end-of-file, nor has one.
func TestIdleAfterEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memoryDatagram, format("lines"), join.End{}, join.Options{IdleAfterEOF: 2 * time.Second})
		time.Sleep(time.Hour)
		writes(t, j.a, "question\n")
		wantsMessage(t, j.b, "question")
		try(t, j.a.Shutdown(socket.ShutdownWrite))
		synctest.Wait()
		end := time.Now()
		time.Sleep(time.Second)
		writes(t, j.b, "answer")
		wants(t, j.a, "answer\n")
		r, err := j.over()
		if took := time.Since(end); err != nil || r.How != outcome.Idle || took != 3*time.Second {
			t.Errorf("Join = %+v, %v after %v", r, err, took)
		}
		if f := r.From[outcome.A]; !f.EndOfFile || f.EndOfFileTold {
			t.Errorf("end-of-file: %+v", f)
		}
	})
}

// Where an end-of-file could not be told, silence is the end of a join, and what Idle
// ends before that is cut short.
func TestIdleBeforeEnd(t *testing.T) {
	for _, idle := range []time.Duration{0, time.Second, 5 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			j := start(t, memory, whole, join.End{}, join.End{}, join.Options{Idle: idle, IdleAfterEOF: 5 * time.Second})
			try(t, j.a.Shutdown(socket.ShutdownWrite))
			r, err := j.over()
			if cut := idle == time.Second; (err == join.ErrIdle) != cut || !cut && err != nil || r.How != outcome.Idle {
				t.Errorf("Join with Idle %v = %+v, %v", idle, r, err)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memory, join.End{}, join.End{}, join.Options{Lifetime: time.Hour, Idle: 2 * time.Hour})
		if r, err := j.over(); err != join.ErrLifetime || r.How != outcome.Lifetime || r.Duration != time.Hour {
			t.Errorf("Join = %+v, %v", r, err)
		}
		wantsCut(t, j.a)
		wantsCut(t, j.b)
	})
}

// The end of a program's output is passed on before that of the program ends all.
func TestOnEOF(t *testing.T) {
	a, client := tcp.make(t)
	b, program := unix.make(t)
	defer client.Close()
	writes(t, program, "all its output")
	try(t, program.Close())
	var from []outcome.Side
	r, err := join.Join(t.Context(), join.End{Socket: a}, join.End{Socket: b}, join.Options{OnEOF: func(side outcome.Side) {
		from = append(from, side)
	}})
	if err != nil || r.How != outcome.Finished || len(from) != 1 || from[0] != outcome.B || !r.From[outcome.B].EndOfFileTold || r.From[outcome.A].EndOfFile {
		t.Errorf("OnEOF saw %v, Join = %+v", from, r)
	}
	wants(t, client, "all its output")
	wantsEOF(t, client)
}

// An error of the kind, as ICMP's, ends the join and says whose it is.
func TestNobodyListens(t *testing.T) {
	closed := boundUDP(t)
	name := closed.Name()
	try(t, closed.Close())
	s := must(socket.New(socket.Inet, socket.Datagram, 0))(t)
	try(t, s.Connect(t.Context(), name))
	j := &joined{done: make(chan struct{})}
	near, far := unixSeqPacket.make(t)
	j.a, j.b = far, far
	j.run(t, join.End{Socket: near}, join.End{Socket: s}, join.Options{})
	writes(t, j.a, "anybody?")
	r, err := j.over()
	wantsErr(t, err, syscall.ECONNREFUSED)
	if r.How != outcome.Failed || r.Side != outcome.B {
		t.Errorf("Join = %+v, %v", r, err)
	}
}

func TestWatch(t *testing.T) {
	var seen []string
	var whats []join.What
	j := start(t, tcp, unix, join.End{}, join.End{}, join.Options{Filter: join.Watch(func(from outcome.Side, what join.What, data []byte) {
		if from == outcome.A {
			seen, whats = append(seen, string(data)), append(whats, what)
		}
	})})
	writes(t, j.a, "one")
	wants(t, j.b, "one")
	sendUrgent(t, j.a, "!")
	receiveUrgent(t, j.b)
	try(t, j.a.Close())
	wantsEOF(t, j.b)
	try(t, j.b.Close())
	j.over()
	if len(seen) != 2 || seen[0] != "one" || whats[0] != join.Bytes || seen[1] != "!" || whats[1] != join.Urgent {
		t.Errorf("Watch saw %q %v", seen, whats)
	}
}

// Neither a read nor a message allocates, whatever else is on.
func TestAllocatesNothing(t *testing.T) {
	tests := []struct {
		name   string
		a, b   maker
		ea, eb join.End
		text   string
	}{
		{"bytes with urgent data", tcp, unix, join.End{}, join.End{}, "bytes"},
		{"messages", unixSeqPacket, unixSeqPacket, join.End{}, join.End{}, "message"},
		{"datagrams", udp, udp, join.End{}, join.End{}, "message"},
		{"formats", unix, tcp, format("lines"), format("lines"), "line\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var bytes atomic.Int64
			j := start(t, test.a, test.b, test.ea, test.eb, join.Options{
				Idle:   time.Hour,
				Filter: join.Watch(func(_ outcome.Side, _ join.What, b []byte) { bytes.Add(int64(len(b))) }),
			})
			b, got := []byte(test.text), make([]byte, 64)
			turn := func() {
				if _, err := j.a.Write(b); err != nil {
					t.Error(err)
				}
				if _, err := j.b.Read(got); err != nil {
					t.Error(err)
				}
			}
			for range 100 {
				turn()
			}
			if n := testing.AllocsPerRun(1000, turn); n > 0 {
				t.Errorf("%v allocations for each piece that passed", n)
			}
			if bytes.Load() == 0 {
				t.Error("nothing passed")
			}
		})
	}
}

// A join has one goroutine more than its caller's, and none beside it.
func TestGoroutines(t *testing.T) {
	j := plain(t, tcp, unix)
	writes(t, j.a, "x")
	wants(t, j.b, "x")
	writes(t, j.b, "x")
	wants(t, j.a, "x")
	// Those of the tests before may take their time to end.
	stacks := goroutines()
	for end := time.Now().Add(10 * time.Second); len(stacks) != 2 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		stacks = goroutines()
	}
	if len(stacks) != 2 {
		t.Errorf("%d goroutines, want the caller's and one:\n%s", len(stacks), strings.Join(stacks, "\n\n"))
	}
}

// goroutines returns the stacks of those that are in package join. Others
// come and go as they like.
func goroutines() (stacks []string) {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for _, stack := range strings.Split(string(all), "\n\n") {
		calls, _, _ := strings.Cut(stack, "created by ")
		if strings.Contains(calls, "zocalo/relay/join.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
