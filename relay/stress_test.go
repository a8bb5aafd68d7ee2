package relay_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/nettest"

	"zocalo"
	"zocalo/socket"
)

// Every promise of a net.Conn holds through a relay.
func TestConn(t *testing.T) {
	for _, kinds := range [][2]string{{"tcp", "tcp"}, {"unix", "tcp"}, {"tcp", "unix"}} {
		t.Run(kinds[0]+" to "+kinds[1], func(t *testing.T) {
			name := func(scheme string) string {
				if scheme == "unix" {
					return "unix:" + inTemp(t, "s")
				}
				return "tcp:127.0.0.1:0"
			}
			to := name(kinds[1])
			l := listen(t, to)
			from := parse(t, name(kinds[0]))
			r := relays(t, nil, from.Scheme.Name+"-listen:"+from.Endpoint, addressOf(t, to, l))
			at := r.address()
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				x, err := zocalo.Dial(t.Context(), at)
				if err != nil {
					return nil, nil, nil, err
				}
				y, err := l.Accept(t.Context())
				return x, y, func() {
					x.Close()
					y.Close()
				}, err
			})
		})
	}
}

// The ways in which a stressed peer ends.
const (
	shuts = iota
	closes
	aborts
	ways
)

// A stressed peer sends all of data in pieces, and then ends, while it takes
// what comes.
type stressed struct {
	end      int
	sent     []byte
	writeErr error
	got      []byte
	readErr  error
}

func (p *stressed) run(s *socket.Socket, r *rand.Rand) {
	var reader sync.WaitGroup
	reader.Go(func() { p.got, p.readErr = io.ReadAll(s) })
	for left := p.sent; len(left) > 0 && p.writeErr == nil; {
		n := min(len(left), 1+r.IntN(10_000))
		_, p.writeErr = s.Write(left[:n])
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
	reader.Wait()
	s.Close()
}

// Many connections at once, each side ending as it likes: what arrives is what
// was sent, as far as it came, and nobody takes a stream cut short for a whole
// one.
func TestStress(t *testing.T) {
	connections := 2000
	if testing.Short() {
		connections = 200
	}
	const atOnce = 32
	l := listen(t, "tcp:127.0.0.1:0")
	r := relays(t, nil, tcpListen, addressOf(t, "tcp:127.0.0.1:0", l))
	at := r.address()

	// The first bytes that a client sends say which one it is.
	type pair struct{ client, server stressed }
	pairs := make([]pair, connections)
	for i := range pairs {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		p := &pairs[i]
		for _, side := range []*stressed{&p.client, &p.server} {
			side.end = random.IntN(ways)
			side.sent = make([]byte, 2+random.IntN(30_000))
			for j := range side.sent {
				side.sent[j] = byte(i*7 + j)
			}
		}
		p.client.sent[0], p.client.sent[1] = byte(i), byte(i>>8)
	}
	var servers sync.WaitGroup
	servers.Go(func() {
		for {
			s, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			servers.Go(func() {
				var head [2]byte
				if _, err := io.ReadFull(s, head[:]); err != nil {
					s.Abort() // the client had gone already
					return
				}
				i := int(head[0]) | int(head[1])<<8
				p := &pairs[i].server
				p.run(s, rand.New(rand.NewPCG(uint64(i), 1)))
				p.got = append(head[:], p.got...)
			})
		}
	})
	room := make(chan struct{}, atOnce)
	var clients sync.WaitGroup
	for i := range pairs {
		room <- struct{}{}
		clients.Go(func() {
			defer func() { <-room }()
			c, err := zocalo.Dial(t.Context(), at)
			if err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			pairs[i].client.run(c, rand.New(rand.NewPCG(uint64(i), 0)))
		})
	}
	clients.Wait()
	// The last clients may have gone before they were accepted.
	await(t, "every pair has ended", func() bool { return len(r.Open()) == 0 && r.Totals().Ended >= int64(connections) })
	try(t, l.Close())
	servers.Wait()

	for i := range pairs {
		p := &pairs[i]
		for name, sides := range map[string][2]*stressed{"client": {&p.client, &p.server}, "server": {&p.server, &p.client}} {
			me, from := sides[0], sides[1]
			switch {
			case !bytes.HasPrefix(from.sent, me.got):
				t.Errorf("%d: the %s got what was never sent", i, name)
			case p.client.end == shuts && p.server.end == shuts && (me.readErr != nil || me.writeErr != nil || len(me.got) < len(from.sent)):
				t.Errorf("%d: both ended in order, and the %s got %d of %d bytes: %v, %v", i, name, len(me.got), len(from.sent), me.readErr, me.writeErr)
			case name == "server" && me.got == nil: // its client had gone before it was reached
			case me.readErr == nil && me.writeErr == nil && me.end == shuts && len(me.got) < len(from.sent):
				t.Errorf("%d: the %s took %d of %d bytes for all", i, name, len(me.got), len(from.sent))
			}
		}
	}
}
