package relay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"zocalo"
	"zocalo/socket"
)

// The kinds of datagrams.
var (
	UDP       = Kind{Name: "udp", Scheme: "udp", Endpoint: "127.0.0.1:0", Messages: true, Most: 1400}
	UDP6      = Kind{Name: "udp6", Scheme: "udp6", Endpoint: "[::1]:0", Messages: true, Most: 60_000}
	UnixDgram = Kind{Name: "unix-dgram", Scheme: "unix-dgram", Messages: true, Most: 60_000}
)

// DatagramKinds returns the kinds of datagrams.
func DatagramKinds() []Kind { return []Kind{UDP, UDP6, UnixDgram} }

// lossy reports whether datagrams of a kind may be lost where nobody is slow.
func (k Kind) lossy() bool { return k.Scheme != UnixDgram.Scheme }

// window is how many questions of a client are without an answer at most, so
// that nothing overflows.
const window = 4

// message is what is asked, or answered, in its place; empty now and then.
func (r *run) message(number int64, i int, client bool, most int) []byte {
	seed := uint64(number)<<20 | uint64(i)<<1
	if client {
		seed |= 1
	}
	rng := rand.New(rand.NewPCG(r.Seed, seed))
	if client && i > 0 && rng.IntN(12) == 0 {
		return nil
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(number))
	b = binary.BigEndian.AppendUint32(b, uint32(i))
	size := rng.IntN(200)
	if rng.IntN(8) == 0 {
		size = rng.IntN(most - len(b) + 1)
	}
	return append(b, voiceOf(number, client).part(i, size)...)
}

// answers answers what comes to a server until it is closed. What it reads is
// what a client has sent, and in order: an empty question takes an empty answer.
func (r *run) answers(s *socket.Socket) {
	var m socket.Message
	b := make([]byte, 64<<10)
	last := map[int64]int{}
	for {
		m.SetData(b)
		if err := s.Receive(&m); err != nil {
			if endOf(err) == none {
				return
			}
			continue // an error that ICMP told of a peer that has gone
		}
		question := m.Buffers[0][:m.N]
		var answer []byte
		if len(question) >= 12 {
			number, i := int64(binary.BigEndian.Uint64(question)), int(binary.BigEndian.Uint32(question[8:]))
			if number < 0 || number >= r.Lives {
				r.fault("a server at %v reads the number of a session, %d, that there is not", s.Name(), number)
				continue
			}
			if want := r.message(number, i, true, r.mostOf(number)); !slices.Equal(question, want) {
				r.fault("session %d: question %d arrives with %d bytes that are not the %d that were sent", number, i, len(question), len(want))
			}
			if i <= last[number]-1 {
				r.fault("session %d: question %d arrives after %d", number, i, last[number]-1)
			}
			last[number] = i + 1
			answer = r.message(number, i, false, r.mostOf(number))
		} else if len(question) > 0 {
			r.fault("a server at %v reads %d bytes that nobody sent", s.Name(), len(question))
		}
		m.Buffers[0] = answer
		s.Send(&m)
	}
}

// mostOf is how long a message of a session may be.
func (r *run) mostOf(number int64) int {
	row := r.rows[number%int64(len(r.rows))]
	return min(row.pair.from.Most, row.pair.to.Most)
}

// ask plays the client of a session, and returns how many questions or answers
// were lost.
func (r *run) ask(ctx context.Context, number int64) (lost int) {
	row := r.rows[number%int64(len(r.rows))]
	wrong := func(format string, args ...any) {
		r.wrong(row.String()+format, fmt.Sprintf("session %d (%v): %s", number, row, fmt.Sprintf(format, args...)))
	}
	at, err := row.address(r.Dir)
	if err != nil {
		wrong("%v", err)
		return 0
	}
	s, err := zocalo.Dial(ctx, at)
	if err != nil {
		wrong("%v", err)
		return 0
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(lifePatience))
	asks := 1 + r.generator(number).IntN(30)
	most := r.mostOf(number)
	b := make([]byte, 64<<10)
	for sent, heard := 0, 0; heard < asks; {
		for ; sent < asks && sent < heard+window; sent++ {
			if _, err := s.Write(r.message(number, sent, true, most)); err != nil {
				wrong("question %d of %d cannot be sent: %v", sent, asks, err)
				return lost
			}
		}
		if row.pair.from.lossy() || row.pair.to.lossy() {
			s.SetReadDeadline(time.Now().Add(5 * time.Second))
		}
		n, err := s.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) && (row.pair.from.lossy() || row.pair.to.lossy()) {
			lost += sent - heard
			heard = sent
			continue
		}
		if err != nil {
			wrong("answer %d of %d does not come: %v", heard, asks, err)
			return lost
		}
		for ; heard < sent; heard++ { // those before were lost
			var want []byte
			if len(r.message(number, heard, true, most)) > 0 {
				want = r.message(number, heard, false, most)
			}
			if slices.Equal(want, b[:n]) {
				break
			}
			lost++
		}
		if heard == sent {
			wrong("an answer of %d bytes comes that was not sent", n)
			return lost
		}
		heard++
	}
	return lost
}

// RunDatagrams plays sessions of datagrams as Run plays connections: every
// engine of c with every pair of c's kinds. Nobody sends faster than it is
// answered, so what is lost must be counted as dropped.
func RunDatagrams(ctx context.Context, c Config) (*Report, error) {
	r := &run{Config: c}
	r.report.Counts = map[string]int64{}
	r.AtOnce = max(r.AtOnce, 32)
	var servers []*zocalo.Listener
	var err error
	for _, to := range c.Kinds {
		var l *zocalo.Listener
		if l, err = zocalo.Listen(ctx, to.Scheme+":"+to.endpoint(c.Dir)+",rcvbuf=4MiB"); err != nil {
			break
		}
		servers = append(servers, l)
		for i := range c.Engines {
			for _, from := range c.Kinds {
				for _, v := range []variant{{name: "plain"}, {name: "watched", options: Options{Watch: true}}, {name: "rates", options: Options{Rate: 32 << 20, TotalRate: 256 << 20}}} {
					if c.Engines[i].Bears(from.Scheme, to.Scheme, false, v.options) {
						r.rows = append(r.rows, &Row{engine: &c.Engines[i], pair: pair{from, to}, variant: v, to: to.Scheme + ":" + l.Name().String()})
					}
				}
			}
		}
	}
	for _, l := range servers {
		r.serving.Go(func() { r.answers(l.Sockets()[0]) })
	}
	var lost atomic.Int64
	if err == nil {
		var next atomic.Int64
		var workers sync.WaitGroup
		for range r.AtOnce {
			workers.Go(func() {
				for {
					number := next.Add(1) - 1
					if number >= c.Lives {
						return
					}
					lost.Add(int64(r.ask(ctx, number)))
				}
			})
		}
		workers.Wait()
	}
	dropped := int64(0)
	for i, row := range r.rows {
		if row.relay != nil {
			dropped += row.relay.Dropped()
		}
		if err := row.stop(); err != nil {
			r.fault("%v", err)
		}
		r.report.Counts[row.String()] = (c.Lives - int64(i) + int64(len(r.rows)) - 1) / int64(len(r.rows))
	}
	if n := lost.Load(); n > dropped {
		r.fault("%d questions or answers were lost, and the relays count %d as dropped", n, dropped)
	}
	for _, l := range servers {
		l.Close()
	}
	r.serving.Wait()
	if err != nil {
		return nil, err
	}
	r.report.Lives = c.Lives
	r.tellFaults()
	return &r.report, nil
}
