package datagrams_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zocalo/relay/datagrams"
	"zocalo/socket"
)

// Sessions begin, fail to, give way and idle out while messages of all lengths
// pass and rates hold them up. Whatever arrives is what its own peer sent, and
// the account is right at the end.
func TestChurn(t *testing.T) {
	const peers, messages = 60, 150
	for name, settings := range map[string]struct {
		near, far string
		rate      int64
		faults    bool
	}{
		"udp":         {"udp4", "udp4", 0, false},
		"udp at rate": {"udp4", "udp6", 50_000, false},
		"udp, faults": {"udp6", "udp4", 0, true},
		"unix":        {"unix", "unix", 0, false},
		"unix to udp": {"unix", "udp4", 200_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			target, front := bound(t, kinds[settings.far](t)), bound(t, kinds[settings.near](t))
			echo(t, target)
			if settings.faults {
				fail(t)
			}
			var ended atomic.Int64
			r := &datagrams.Relay{Limits: datagrams.Limits{Max: 20, Idle: 15 * time.Millisecond, Rate: settings.rate}, OnEnd: func(datagrams.Session) { ended.Add(1) }}
			r.Dial = func(ctx context.Context, _ datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
				switch rand.IntN(4) {
				case 0:
					time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
				case 1:
					if rand.IntN(4) == 0 {
						return nil, errors.New("not this time")
					}
				}
				return dial(ctx, target.Name())
			}
			at := front.Name()
			stop := start(t, r, front)
			var all sync.WaitGroup
			var answers atomic.Int64
			for i := range peers {
				p := connected(t, at)
				all.Go(func() {
					rnd := rand.New(rand.NewPCG(uint64(i), 1))
					b := make([]byte, 1<<16)
					for m := range messages {
						data := bytes.Repeat([]byte{byte(i)}, 1+rnd.IntN(2000))
						p.SetWriteDeadline(time.Now().Add(patience))
						p.Write(data)
						if m%8 != 0 {
							continue
						}
						for wait := 5 * time.Millisecond; ; wait = 0 {
							p.SetReadDeadline(time.Now().Add(wait))
							n, err := p.Read(b)
							if err != nil {
								break
							}
							answers.Add(1)
							if n > 2000 || bytes.Count(b[:n], []byte{byte(i)}) != n {
								t.Errorf("peer %d got %d bytes of another", i, n)
							}
						}
						r.Sessions()
					}
				})
			}
			all.Wait()
			stop()
			n := r.Totals()
			if n.Open != 0 || n.Sessions != ended.Load() || n.Sessions < peers || answers.Load() == 0 {
				t.Errorf("%d answers, %d sessions ended: %+v", answers.Load(), ended.Load(), n)
			}
		})
	}
}
