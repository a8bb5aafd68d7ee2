package relay_test

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

	"zocalo/relay"
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
			try(t, j.a.Shutdown(socket.Write))
			wantsEOF(t, j.b)
		}},
	}
	cause := errors.New("the reason")
	for _, stage := range stages {
		t.Run(stage.name, func(t *testing.T) {
			eachPair(t, streams, func(t *testing.T, ma, mb maker) {
				j := &joined{done: make(chan struct{})}
				var a, b relay.End
				j.a, a.Socket = ma.make(t)
				b.Socket, j.b = mb.make(t)
				ctx, cancel := context.WithCancelCause(context.Background())
				go func() {
					defer close(j.done)
					j.result, j.err = relay.Join(ctx, a, b, relay.Options{})
				}()
				stage.reach(t, j)
				cancel(cause)
				r, err := j.over()
				wantsErr(t, err, cause)
				if r.How != relay.Cancelled {
					t.Errorf("ended as %v", r.How)
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
		r, err := relay.Join(ctx, relay.End{Socket: a}, relay.End{Socket: b}, relay.Options{})
		wantsErr(t, err, cause)
		if r.How != relay.Cancelled {
			t.Errorf("ended as %v", r.How)
		}
		wantsEOF(t, x)
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
				j := start(t, kind, kind, relay.End{}, relay.End{}, relay.Options{Idle: 10 * time.Second})
				begin := time.Now()
				for range 5 {
					time.Sleep(9 * time.Second)
					writes(t, j.b, "still here")
					wantsMessage(t, j.a, "still here")
				}
				r, err := j.over()
				if took := time.Since(begin); err != nil || r.How != relay.Idle || took != 55*time.Second {
					t.Errorf("Join = %+v, %v after %v", r, err, took)
				}
			})
		})
	}
}

// A peer that never reads is idle too.
func TestIdleWhileBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memory, relay.End{}, relay.End{}, relay.Options{Idle: time.Minute})
		go j.a.Write(make([]byte, 1<<20))
		if r, err := j.over(); err != nil || r.How != relay.Idle || r.Duration != time.Minute {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// A datagram socket cannot be told of an end-of-file, nor has one.
func TestIdleAfterEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memoryDatagram, format("lines"), relay.End{}, relay.Options{IdleAfterEOF: 2 * time.Second})
		time.Sleep(time.Hour)
		writes(t, j.a, "question\n")
		wantsMessage(t, j.b, "question")
		try(t, j.a.Shutdown(socket.Write))
		synctest.Wait()
		end := time.Now()
		time.Sleep(time.Second)
		writes(t, j.b, "answer")
		wants(t, j.a, "answer\n")
		r, err := j.over()
		if took := time.Since(end); err != nil || r.How != relay.Idle || took != 3*time.Second {
			t.Errorf("Join = %+v, %v after %v", r, err, took)
		}
		if f := r.From[relay.A]; !f.EndOfFile || f.EndOfFileTold {
			t.Errorf("end-of-file: %+v", f)
		}
	})
}

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memory, relay.End{}, relay.End{}, relay.Options{Lifetime: time.Hour, Idle: 2 * time.Hour})
		if r, err := j.over(); err != nil || r.How != relay.Lifetime || r.Duration != time.Hour {
			t.Errorf("Join = %+v, %v", r, err)
		}
		wantsEOF(t, j.a) // in order
	})
}

// The end of a program's output is passed on before its end closes the rest.
func TestOnEOF(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, client := tcp.make(t)
	b, program := unix.make(t)
	defer client.Close()
	writes(t, program, "all its output")
	try(t, program.Close())
	var from []relay.Side
	r, err := relay.Join(ctx, relay.End{Socket: a}, relay.End{Socket: b}, relay.Options{OnEOF: func(side relay.Side) {
		from = append(from, side)
		cancel()
	}})
	wantsErr(t, err, context.Canceled)
	if len(from) != 1 || from[0] != relay.B || !r.From[relay.B].EndOfFileTold || r.From[relay.A].EndOfFile {
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
	j.run(t, relay.End{Socket: near}, relay.End{Socket: s}, relay.Options{})
	writes(t, j.a, "anybody?")
	r, err := j.over()
	wantsErr(t, err, syscall.ECONNREFUSED)
	if r.How != relay.Failed || r.Side != relay.B {
		t.Errorf("Join = %+v, %v", r, err)
	}
}

func TestOnData(t *testing.T) {
	var seen []string
	var whats []relay.What
	j := start(t, tcp, unix, relay.End{}, relay.End{}, relay.Options{OnData: func(from relay.Side, what relay.What, data []byte) {
		if from == relay.A {
			seen, whats = append(seen, string(data)), append(whats, what)
		}
	}})
	writes(t, j.a, "one")
	wants(t, j.b, "one")
	sendUrgent(t, j.a, "!")
	receiveUrgent(t, j.b)
	try(t, j.a.Close())
	wantsEOF(t, j.b)
	try(t, j.b.Close())
	j.over()
	if len(seen) != 2 || seen[0] != "one" || whats[0] != relay.Octets || seen[1] != "!" || whats[1] != relay.Urgent {
		t.Errorf("OnData saw %q %v", seen, whats)
	}
}

// Neither a read nor a message allocates, whatever else is on.
func TestAllocatesNothing(t *testing.T) {
	tests := []struct {
		name   string
		a, b   maker
		ea, eb relay.End
		text   string
	}{
		{"octets with urgent data", tcp, unix, relay.End{}, relay.End{}, "octets"},
		{"messages", unixSeqPacket, unixSeqPacket, relay.End{}, relay.End{}, "message"},
		{"datagrams", udp, udp, relay.End{}, relay.End{}, "message"},
		{"formats", unix, tcp, format("lines"), format("lines"), "line\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var octets atomic.Int64
			j := start(t, test.a, test.b, test.ea, test.eb, relay.Options{
				Idle:   time.Hour,
				OnData: func(_ relay.Side, _ relay.What, b []byte) { octets.Add(int64(len(b))) },
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
			if octets.Load() == 0 {
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

// goroutines returns the stacks of those that are in package relay. Others
// come and go as they like.
func goroutines() (stacks []string) {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for _, stack := range strings.Split(string(all), "\n\n") {
		calls, _, _ := strings.Cut(stack, "created by ")
		if strings.Contains(calls, "zocalo/relay.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
