package capture

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"zocalo/internal/pcapng"
)

const dataFlags = tcpACK | tcpPSH

func TestTCP(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(l *line)
		want string
		look func(c *Conversation) bool
	}{
		"a question and its answer": {func(l *line) {
			l.open()
			l.send(Client, 0, 0, dataFlags, "get")
			l.send(Server, 0, 3, dataFlags, "got")
			l.send(Client, 3, 3, tcpACK|tcpFIN, "")
			l.send(Server, 3, 4, tcpACK|tcpFIN, "")
			l.send(Client, 4, 4, tcpACK, "")
		}, ">get <got >end <end", func(c *Conversation) bool { return c.Opened && c.Closed[Client] && c.Closed[Server] && !c.Aborted }},
		"sent again, overlapping": {func(l *line) {
			l.open()
			l.send(Client, 0, 0, dataFlags, "abc")
			l.send(Client, 0, 0, dataFlags, "abc")
			l.send(Client, 1, 0, dataFlags, "bcde")
			l.send(Client, 4, 0, dataFlags, "Xf") // the first counts
		}, ">abc >de >f", func(c *Conversation) bool { return c.Retransmitted == 1 }},
		"out of order": {func(l *line) {
			l.open()
			l.send(Client, 4, 0, dataFlags, "e")
			l.send(Client, 2, 0, dataFlags, "cd")
			l.send(Client, 5, 0, tcpACK|tcpFIN, "")
			l.send(Client, 0, 0, dataFlags, "ab")
		}, ">ab >cd >e >end", func(c *Conversation) bool { return c.OutOfOrder == 2 }},
		"a gap": {func(l *line) {
			l.open()
			l.send(Client, 0, 0, dataFlags, "ab")
			l.send(Client, 5, 0, dataFlags, "fg")
			l.send(Server, 0, 7, dataFlags, "ok")
			l.send(Client, 7, 2, tcpACK|tcpFIN, "")
		}, ">ab >gap3 >fg <ok >end", func(c *Conversation) bool { return c.Missing == 3 }},
		"a gap at the end": {func(l *line) {
			l.open()
			l.send(Client, 0, 0, dataFlags, "ab")
			l.send(Server, 0, 9, dataFlags, "ok")
		}, ">ab >gap7 <ok", nil},
		"a gap before the FIN": {func(l *line) {
			l.open()
			l.send(Client, 4, 0, tcpACK|tcpFIN, "")
		}, ">gap4 >end", nil},
		"a reset": {func(l *line) {
			l.open()
			l.send(Client, 0, 0, dataFlags, "ab")
			l.send(Server, 0, 2, tcpACK|tcpRST, "")
			l.send(Client, 2, 0, dataFlags, "late")
		}, ">ab <reset", func(c *Conversation) bool { return c.Aborted }},
		"refused": {func(l *line) {
			l.p.packet(ip(l.client.Addr(), l.server.Addr(), protoTCP, tcpBytes(l.client.Port(), l.server.Port(), 999, 0, tcpSYN, 0, "")))
			l.send(Server, 0, 0, tcpACK|tcpRST, "")
		}, "<reset", func(c *Conversation) bool { return !c.Stood }},
		"begun before the recording, the answer first": {func(l *line) {
			l.send(Server, 100, 50, dataFlags, "answer")
			l.send(Client, 50, 106, dataFlags, "next")
		}, "<answer >next", func(c *Conversation) bool { return !c.Opened && c.Server.Addr == serverEnd }},
		"numbers that wrap": {func(l *line) {
			l.zero = [2]uint32{0xfffffffe, 0xffffffff}
			l.open()
			l.send(Client, 0, 0, dataFlags, "abcd")
			l.send(Server, 0, 4, dataFlags, "ef")
			l.send(Client, 4, 2, dataFlags, "gh")
		}, ">abcd <ef >gh", nil},
		"keepalive probes": {func(l *line) {
			l.open()
			l.send(Client, 0, 0, dataFlags, "ab")
			l.send(Client, 1, 0, tcpACK, "")
			l.send(Client, 1, 0, tcpACK, "\x00")
			l.send(Client, 2, 0, dataFlags, "cd")
		}, ">ab >cd", nil},
		"urgent": {func(l *line) {
			l.open()
			b := l.segment(Client, 0, 0, dataFlags|tcpURG, "ab!cd")
			b[20+19] = 3
			l.p.packet(b)
		}, ">ab >urgent:! >cd", nil},
		"kept in part": {func(l *line) {
			l.open()
			b := l.segment(Client, 0, 0, dataFlags, "abcdefgh")
			l.p.cut(b, len(b)-5)
			l.send(Client, 8, 0, dataFlags, "ij")
		}, ">abc >gap5 >ij", nil},
		"padding of Ethernet": {func(l *line) {
			l.open()
			l.p.packet(append(l.segment(Client, 0, 0, dataFlags, "a"), "padding"...))
			l.send(Client, 1, 0, dataFlags, "b")
		}, ">a >b", nil},
	} {
		for _, v6 := range []bool{false, true} {
			p := newTape(t, pcapng.LinkRaw, nil)
			l := p.line()
			if v6 && name != "urgent" {
				l.client, l.server = netip.MustParseAddrPort("[fd00::1]:40000"), netip.MustParseAddrPort("[fd00::2]:80")
			}
			test.do(l)
			c := p.read(Options{})
			if len(c.Conversations) != 1 {
				t.Errorf("%s: %d conversations", name, len(c.Conversations))
				continue
			}
			got := c.Conversations[0]
			if s := script(got); s != test.want {
				t.Errorf("%s: %s, want %s", name, s, test.want)
			}
			if test.look != nil && !v6 && !test.look(got) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

func TestPortUsedAgain(t *testing.T) {
	p := newTape(t, pcapng.LinkRaw, nil)
	for i, text := range []string{"one", "two"} {
		l := p.line()
		l.zero = [2]uint32{uint32(1000 * (i + 1)), uint32(7000 * (i + 1))}
		l.open()
		l.send(Client, 0, 0, dataFlags, text)
		l.send(Client, 3, 0, tcpFIN|tcpACK, "")
		l.send(Server, 0, 4, tcpFIN|tcpACK, "")
	}
	c := p.read(Options{})
	if len(c.Conversations) != 2 || script(c.Conversations[0]) != ">one >end <end" || script(c.Conversations[1]) != ">two >end <end" {
		t.Errorf("%d conversations", len(c.Conversations))
	}
}

// Whatever order segments come in, however often and however they overlap, the stream is the
// same.
func TestStreamsComeTogether(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		want := make([]byte, 1+random.IntN(5000))
		for i := range want {
			want[i] = byte(random.Uint32())
		}
		type cut struct{ from, to int }
		var cuts []cut
		for at := 0; at < len(want); {
			to := min(len(want), at+1+random.IntN(200))
			cuts = append(cuts, cut{at, to})
			at = to
		}
		for range random.IntN(20) { // again, and across the borders
			from := random.IntN(len(want))
			cuts = append(cuts, cut{from, min(len(want), from+1+random.IntN(400))})
		}
		random.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
		p := newTape(t, pcapng.LinkRaw, nil)
		l := p.line()
		l.zero[Client] = random.Uint32()
		l.open()
		fin := random.IntN(len(cuts))
		for i, c := range cuts {
			if i == fin {
				l.send(Client, int64(len(want)), 0, tcpFIN|tcpACK, "")
			}
			l.send(Client, int64(c.from), 0, dataFlags, string(want[c.from:c.to]))
		}
		c := p.read(Options{}).Conversations[0]
		if got := stream(c, Client); !bytes.Equal(got, want) || c.Missing != 0 || !c.Closed[Client] {
			t.Fatalf("seed %d: %d bytes of %d came together, %d missing", seed, len(got), len(want), c.Missing)
		}
	}
}

func TestAheadIsBounded(t *testing.T) {
	p := newTape(t, pcapng.LinkRaw, nil)
	l := p.line()
	l.open()
	for i := range int64(maxAhead + 100) {
		l.send(Client, 10+i*2, 0, dataFlags, "x")
	}
	c := p.read(Options{}).Conversations[0]
	if c.Missing != 10+maxAhead+99 || c.Messages[Client] != maxAhead+100 {
		t.Errorf("%d bytes missing, %d segments", c.Missing, c.Messages[Client])
	}
	if !slices.IsSortedFunc(c.Events, func(a, b Event) int { return int(a.At - b.At) }) {
		t.Error("events are not in the order of their times")
	}
}
