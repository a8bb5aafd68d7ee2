package xns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/socket"
)

var seeds = flag.Int("seeds", 0, "by how many seeds the transfers under faults are repeated; 0 is 200, or 20 under the race detector and -short")

// bad are the faults under which everything must still arrive.
func bad(seed uint64) func(Link) Link {
	return func(l Link) Link {
		return Impair(l, Faults{Seed: seed ^ l.Host().number(), Lose: 0.2, Repeat: 0.1, Reorder: 0.1, Corrupt: 0.01,
			Delay: 2 * time.Millisecond, Hold: 5 * time.Millisecond})
	}
}

// stubborn raises what a connection endures.
func stubborn(s *socket.Socket) error {
	return errors.Join(Tries.Set(s, 100), CloseTimeout.Set(s, 10*time.Minute), Linger.Set(s, 10*time.Minute))
}

const soakBytes = 1 << 20

// TestFaults sends a megabyte each way as messages, with urgent bytes in
// between, and as a stream, over a link that loses, repeats, reorders and
// corrupts.
func TestFaults(t *testing.T) {
	n := *seeds
	switch {
	case n > 0:
	case underRace || testing.Short():
		n = 20
	default:
		n = 200
	}
	d := &deadline{of: 2 * n}
	t.Cleanup(func() { d.check(t) }) // once the subtests have ended
	for seed := range uint64(n) {
		t.Run(fmt.Sprintf("messages/seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { d.within(t, func() { soakMessages(t, seed) }) })
		})
		t.Run(fmt.Sprintf("stream/seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { d.within(t, func() { soakStream(t, seed, bad(seed), stubborn, soakBytes) }) })
		})
	}
}

// A deadline bounds what transfers take, in the time that the timers see: two
// minutes, of which a link so bad leaves most to waiting. Chance makes one in a
// thousand unlucky, so one in 500 may take longer, and two more of however few.
type deadline struct {
	of   int
	late atomic.Int32
}

func (d *deadline) within(t *testing.T, transfer func()) {
	t.Helper()
	begun := time.Now()
	transfer()
	switch took := time.Since(begun); {
	case took > 10*time.Minute:
		t.Errorf("it took %v", took)
	case took > 2*time.Minute:
		t.Logf("it took %v", took)
		d.late.Add(1)
	}
}

func (d *deadline) check(t *testing.T) {
	if n := int(d.late.Load()); n > d.of/500+2 {
		t.Errorf("%d of %d transfers took more than two minutes", n, d.of)
	}
}

// watch ends the test binary, with the state of both connections, if a transfer
// hangs while timers go on, which package synctest cannot see. It returns what
// stops it.
func watch(a, b *socket.Socket) (stop func() bool) {
	debug.SetTraceback("all")
	return time.AfterFunc(time.Hour, func() {
		for _, s := range []*socket.Socket{a, b} {
			fmt.Fprintf(os.Stderr, "%+v\n", engine(s))
		}
		panic("a transfer took an hour")
	}).Stop
}

// TestWrap sends so many packets that their numbers begin again several times.
func TestWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slightly := func(l Link) Link {
			return Impair(l, Faults{Seed: 1, Lose: 0.001, Reorder: 0.001, Delay: time.Millisecond})
		}
		set := func(s *socket.Socket) error { return errors.Join(stubborn(s), MTU.Set(s, 3)) }
		bytes := soakBytes // 349 525 packets each way
		if underRace {
			bytes /= 2
		}
		soakStream(t, 1, slightly, set, bytes)
	})
}

func soakStream(t *testing.T, seed uint64, wrap func(Link) Link, set func(*socket.Socket) error, size int) {
	a, b, stop, err := connected(listening(func() hosts { return onSegment(wrap) }, socket.Stream, set))()
	if err != nil {
		t.Fatal(err)
	}
	defer watch(a, b)()
	var all sync.WaitGroup
	content := make([]byte, size)
	random := rand.New(rand.NewPCG(seed, 7))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	for _, s := range []*socket.Socket{a, b} {
		all.Go(func() {
			if _, err := s.Write(content); err != nil {
				t.Errorf("Write: %v", err)
			}
		})
		all.Go(func() {
			got := make([]byte, size)
			if n, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, content) {
				t.Errorf("read %d of %d bytes: %v, the same: %t", n, size, err, bytes.Equal(got, content))
			}
		})
	}
	all.Wait()
	closeBoth(t, a, b)
	stop()
}

// closeBoth closes both ends at nearly the same time, and sees that both
// connections ended.
func closeBoth(t *testing.T, a, b *socket.Socket) {
	var all sync.WaitGroup
	for _, s := range []*socket.Socket{a, b} {
		c := engine(s)
		all.Go(func() {
			if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF && !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read at the end: %d, %v", n, err)
			}
		})
		all.Go(func() {
			if s == b {
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			<-c.gone
			if c.err != nil {
				t.Errorf("the connection ended by %v", c.err)
			}
		})
	}
	all.Wait()
	b.Close()
}

// engine returns the connection of a socket.
func engine(s *socket.Socket) *conn { return sppOf(s.Unwrap()).conn }

func soakMessages(t *testing.T, seed uint64) {
	a, b, stop, err := connected(listening(func() hosts { return onSegment(bad(seed)) }, socket.SeqPacket, stubborn))()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	defer watch(a, b)()
	var all sync.WaitGroup
	sizes := func(seed uint64) func() int {
		random := rand.New(rand.NewPCG(seed, 9))
		return func() int { return 8 + random.IntN(3000) }
	}

	const urgents = 40
	for i, s := range []*socket.Socket{a, b} {
		peer := []*socket.Socket{b, a}[i]
		all.Go(func() {
			next, sent, urgent := sizes(seed), 0, 0
			for number := uint64(0); sent < soakBytes; number++ {
				m := socket.Message{Buffers: [][]byte{fillMessage(number, next())}}
				SetDatastream(&m, uint8(number%3))
				n, err := s.Send(&m)
				if err != nil {
					t.Errorf("Send: %v", err)
					return
				}
				if sent += n; sent > urgent*soakBytes/urgents {
					urgent++
					if _, err := s.SendUrgent([]byte{byte(urgent)}); err != nil {
						t.Errorf("SendUrgent: %v", err)
					}
				}
			}
			s.Write(nil) // the last message
		})
		all.Go(func() {
			next, got := sizes(seed), 0
			buf := make([]byte, 4096)
			for number := uint64(0); ; number++ {
				m := socket.Message{Buffers: [][]byte{buf}}
				if err := peer.Receive(&m); err != nil {
					t.Errorf("Receive after %d messages: %v", number, err)
					return
				}
				if m.Size == 0 {
					break
				}
				want := fillMessage(number, next())
				if !bytes.Equal(buf[:m.N], want) || m.Flags != socket.EndOfRecord || DatastreamOf(&m) != uint8(number%3) {
					t.Errorf("message %d has %d bytes, datastream %d, flags %#x; %d bytes were sent", number, m.N, DatastreamOf(&m), m.Flags, len(want))
					return
				}
				got += m.N
			}
			if got < soakBytes {
				t.Errorf("%d bytes arrived, of at least %d", got, soakBytes)
			}
		})
		all.Go(func() {
			seen := map[byte]bool{}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			for len(seen) < urgents {
				var o [1]byte
				if _, err := peer.ReceiveUrgent(ctx, o[:]); err != nil {
					t.Errorf("ReceiveUrgent after %d: %v", len(seen), err)
					return
				}
				if seen[o[0]] {
					t.Errorf("urgent byte %d arrived twice", o[0])
				}
				seen[o[0]] = true
			}
		})
	}
	all.Wait()
	closeBoth(t, a, b)
}

func fillMessage(number uint64, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(number) + byte(i*7)
	}
	binary.BigEndian.PutUint64(b, number)
	return b
}
