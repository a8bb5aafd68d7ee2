package datagrams_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"zocalo/relay/datagrams"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// counted is message i of a long row, of various lengths.
func counted(i int) []byte {
	b := make([]byte, 4+i%97*11)
	binary.BigEndian.PutUint32(b, uint32(i))
	return b
}

// A unix target that does not read makes its peers wait, and what they have
// sent arrives, all of it and in order, once it does.
func TestTargetThatDoesNotRead(t *testing.T) {
	const messages = 5000
	target, front := bound(t, aPath(t)), bound(t, aPath(t))
	r := &datagrams.Relay{Dial: to(target.Name())}
	name := front.Name()
	start(t, r, front)
	var peers sync.WaitGroup
	for range 2 {
		p := connected(t, name)
		peers.Go(func() {
			for i := range messages {
				if _, err := p.Write(counted(i)); err != nil {
					t.Errorf("message %d: %v", i, err)
					return
				}
			}
		})
	}
	// It reads only when nothing moves any more: all queues are full.
	for last := int64(-1); ; time.Sleep(20 * time.Millisecond) {
		n := r.Totals().From[outcome.A].Messages
		if n > 0 && n == last {
			break
		}
		last = n
	}
	next := map[socket.Name]int{}
	for range 2 * messages {
		m := socket.Message{}
		m.SetData(make([]byte, 2000))
		try(t, target.Receive(&m))
		i := next[m.Peer]
		if !bytes.Equal(m.Buffers[0][:m.N], counted(i)) {
			t.Fatalf("a message of %d bytes came where message %d belongs", m.N, i)
		}
		next[m.Peer]++
	}
	peers.Wait()
	if n := r.Totals(); lost(n) != 0 || len(next) != 2 {
		t.Errorf("totals: %+v, from %d peers", n, len(next))
	}
}

// A unix peer that does not read makes its own target wait, and no other peer.
func TestPeerThatDoesNotRead(t *testing.T) {
	const messages = 2000
	target, front := bound(t, aPath(t)), bound(t, aPath(t))
	other := bound(t, aPath(t))
	echo(t, other)
	name := front.Name()
	// Not connected, or its queue would have no bound but the send buffer that
	// all answers share.
	deaf, good := bound(t, aPath(t)), connected(t, name)
	r := &datagrams.Relay{Dial: func(ctx context.Context, of datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
		if of.Peer == good.Name() {
			return dial(ctx, other.Name())
		}
		return dial(ctx, target.Name())
	}}
	start(t, r, front)
	hello := socket.Message{Peer: name}
	hello.SetData([]byte("hola"))
	_, err := deaf.Send(&hello)
	try(t, err)
	hears(t, target, "hola")
	toDeaf := r.Sessions()[0].Local
	var sending sync.WaitGroup
	sending.Go(func() {
		m := socket.Message{Peer: toDeaf}
		for i := range messages {
			m.SetData(counted(i))
			if _, err := target.Send(&m); err != nil {
				t.Errorf("message %d: %v", i, err)
				return
			}
		}
	})
	until(t, "the peer's queue is full", func() bool {
		n := r.Totals().From[outcome.B].Messages
		time.Sleep(20 * time.Millisecond)
		return n > 0 && n == r.Totals().From[outcome.B].Messages
	})
	for range 100 {
		says(t, good, "hola")
		hears(t, good, "hola")
	}
	for i := range messages {
		hears(t, deaf, string(counted(i)))
	}
	sending.Wait()
	if n := r.Totals(); lost(n) != 0 || n.Errors != 0 {
		t.Errorf("totals: %+v", n)
	}
}

// Rates make messages wait, both ways, and lose none of them.
func TestRates(t *testing.T) {
	for _, kind := range []string{"udp4", "unix"} {
		for name, r := range map[string]*datagrams.Relay{
			"rate":       {Limits: datagrams.Limits{Rate: 200_000}},
			"total rate": {Limits: datagrams.Limits{TotalRate: 200_000}},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				const messages, size = 60, 1000
				target, front := bound(t, kinds[kind](t)), bound(t, kinds[kind](t))
				echo(t, target)
				r.Dial = to(target.Name())
				at := front.Name()
				start(t, r, front)
				p := connected(t, at)
				begin := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					for i := range messages {
						b := bytes.Repeat([]byte{byte(i)}, size)
						if _, err := p.Write(b); err != nil {
							t.Error(err)
						}
					}
				})
				for i := range messages {
					hears(t, p, string(bytes.Repeat([]byte{byte(i)}, size)))
				}
				sending.Wait()
				// All but what may be saved up, and the message that makes a debt.
				least := time.Duration(float64(messages*size-200_000/8-size) / 200_000 * float64(time.Second))
				if took := time.Since(begin); took < least {
					t.Errorf("%d bytes took %v, less than %v", messages*size, took, least)
				}
				if n := r.Totals(); lost(n) != 0 || n.Overflowed != 0 {
					t.Errorf("totals: %+v", n)
				}
			})
		}
	}
}

// A peer that floods, at a rate or without, does not keep another from its
// answers.
func TestFlood(t *testing.T) {
	for name, r := range map[string]*datagrams.Relay{"without a rate": {}, "at a rate": {Limits: datagrams.Limits{Rate: 1 << 20}}} {
		t.Run(name, func(t *testing.T) {
			target, front := bound(t, "127.0.0.1:0"), bound(t, "127.0.0.1:0")
			echo(t, target)
			r.Dial = to(target.Name())
			at := front.Name()
			start(t, r, front)
			flooder, good := connected(t, at), connected(t, at)
			over := make(chan struct{})
			var flooding sync.WaitGroup
			flooding.Go(func() {
				b := make([]byte, 1000)
				for {
					select {
					case <-over:
						return
					default:
						flooder.Write(b)
					}
				}
			})
			defer flooding.Wait()
			defer close(over)
			for i := range 5 {
				text := fmt.Sprint("message ", i)
				b := make([]byte, 100)
				for got := ""; got != text; { // some may be lost before they reach the relay
					says(t, good, text)
					good.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
					n, _ := good.Read(b)
					got = string(b[:n])
				}
			}
		})
	}
}

// What the system drops, since a relay that must wait does not read, is known.
func TestOverflowIsCounted(t *testing.T) {
	target := bound(t, "127.0.0.1:0")
	front := bound(t, "127.0.0.1:0", func(s *socket.Socket) error { return option.ReceiveBuffer.Set(s, 4096) })
	r := &datagrams.Relay{Dial: to(target.Name()), Limits: datagrams.Limits{TotalRate: 50_000}}
	at := front.Name()
	p := connected(t, at)
	start(t, r, front)
	until(t, "it is counted", func() bool {
		for range 10 {
			says(t, p, repeated(1000))
		}
		return r.Totals().Overflowed > 0
	})
}
