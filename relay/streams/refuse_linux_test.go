package streams

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// refusing refuses what is accepted.
type refusing struct{ nobody }

func (refusing) Accepted(c *Conn, _ int, _ *sys.Sockaddr) { c.End(outcome.Cancelled, outcome.A, "", 0) }

// A flood of connections that are refused holds few descriptors.
func TestRefusedAreFew(t *testing.T) {
	g := &Group{Service: refusing{}}
	if err := g.Listen(nil); err != nil {
		t.Fatal(err)
	}
	w := g.workers()[0]
	const most = 16 // fits what a relay spares for what is no pair
	kept := 0
	w.Post(func() {
		for range 10 * most {
			fd, errno := sys.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if errno != 0 {
				t.Error(errno)
				break
			}
			g.open.Add(1)
			w.count.Add(1)
			w.add(fd, &listener{Listening: Listening{Kind: TCP}}, nil)
			kept = max(kept, len(w.refused.all))
		}
		w.drain()
	})
	w.Run(context.Background())
	w.refused.reset(len(w.refused.all))
	if kept == 0 || kept > most {
		t.Errorf("%d descriptors wait for their reset, want %d at most", kept, most)
	}
}
