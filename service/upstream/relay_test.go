package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zocalo/address"
	"zocalo/relay"
)

// A server dies and comes back under load: no peer sees it, nothing new goes there
// meanwhile, and it gets its part again.
func TestServerDiesAndComesBack(t *testing.T) {
	for _, path := range []relay.Path{relay.Auto, relay.General} {
		t.Run(fmt.Sprint(path), func(t *testing.T) { diesAndComesBack(t, path) })
	}
}

func diesAndComesBack(t *testing.T, path relay.Path) {
	var j journal
	a, b := newEchoing(t, "a"), newEchoing(t, "b")
	p := newPool(t, Config{Members: members(t, a.address(), b.address()), Log: j.Logger(), Passive: Passive{Ejection: time.Millisecond, Longest: 50 * time.Millisecond}})
	run(t, p)
	r, at := relaysBy(t, p, "tcp", path)
	if name, why := r.Engine(); name != "streams" && path == relay.Auto && runtime.GOOS == "linux" {
		t.Errorf("the engine is %s: %s", name, why)
	}
	count := func(n int) map[string]int {
		count := map[string]int{}
		for range n {
			name, c := asks(t, at)
			if name == "" {
				t.Fatal("a peer was not served")
			}
			count[name]++
			c.Close()
		}
		return count
	}
	if n := count(60); n["a"] == 0 || n["b"] == 0 {
		t.Errorf("of 60 pairs %v", n)
	}
	b.die()
	if n := count(60); n["a"] != 60 {
		t.Errorf("with b dead, %v", n)
	}
	await(t, "it is said to be ejected", func() bool { return strings.Contains(j.String(), `msg="upstream ejected" upstream=`+b.address()) })
	b.start()
	await(t, "b gets pairs again", func() bool { return count(1)["b"] == 1 })
	await(t, "none is open", func() bool {
		return statusOf(t, p, a.address()).Open == 0 && statusOf(t, p, b.address()).Open == 0
	})
	s := statusOf(t, p, a.address())
	if s.Total < 60 || s.Received < 60 {
		t.Errorf("its account is %+v", s)
	}
}

// A pool that changes all the time under load loses no pair, and in the end no count.
func TestUpdatesUnderLoad(t *testing.T) {
	servers := []*echoing{newEchoing(t, "a"), newEchoing(t, "b"), newEchoing(t, "c")}
	p := newPool(t, Config{Members: members(t, servers[0].address())})
	run(t, p)
	_, at := relays(t, p, "tcp")
	var load sync.WaitGroup
	var served atomic.Int64
	over := make(chan struct{})
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				c, err := net.Dial("tcp", at)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(patience))
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Error(err)
				}
				c.Close()
				served.Add(1)
			}
		})
	}
	for i := range 200 {
		before := served.Load()
		await(t, "another pair is served", func() bool { return served.Load() > before })
		c := Config{Policy: Policy(i % 3), Tries: 1 + i%2, SlowStart: time.Duration(i%2) * time.Second}
		for j, s := range servers {
			if (i>>j)&1 == 1 || j == i%3 {
				c.Members = append(c.Members, Member{Address: parse(t, s.address()), Weight: 1 + i%5, Backup: j == 2})
			}
		}
		if i%10 == 0 {
			c.Check = Check{Kind: CheckConnect, Interval: time.Millisecond}
		}
		try(t, p.Update(c))
	}
	close(over)
	load.Wait()
	try(t, p.Update(Config{Members: members(t, servers[0].address(), servers[1].address(), servers[2].address())}))
	await(t, "none is open", func() bool {
		for _, s := range p.Status().Servers {
			if s.Open != 0 {
				return false
			}
		}
		return true
	})
	if s := p.Status(); s.Up != 3 {
		t.Errorf("the pool is %+v", s)
	}
}

// All die: peers are refused, the log says so once, and the first that comes back serves.
func TestAllDie(t *testing.T) {
	var j journal
	a, b := newEchoing(t, "a"), newEchoing(t, "b")
	p := newPool(t, Config{Members: members(t, a.address(), b.address()), Log: j.Logger(), Check: Check{Kind: CheckConnect, Interval: time.Millisecond, Rise: 1, Fall: 1}})
	run(t, p)
	_, at := relays(t, p, "tcp")
	a.die()
	b.die()
	await(t, "both are down", func() bool { return p.Status().Up == 0 })
	if name, _ := asks(t, at); name != "" {
		t.Errorf("%s served", name)
	}
	b.start()
	await(t, "b is up", func() bool { return statusOf(t, p, b.address()).Health == Up })
	if name, _ := asks(t, at); name != "b" {
		t.Errorf("%q served", name)
	}
	if n := strings.Count(j.String(), "no upstream is up"); n != 1 {
		t.Errorf("the log says %d times that none is up\n%s", n, &j)
	}
}

// A server that takes connections and resets them is ejected too.
func TestServerThatResets(t *testing.T) {
	a, b := newEchoing(t, "a"), newEchoing(t, "b")
	b.serves(func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	p := newPool(t, Config{Members: members(t, a.address(), b.address())})
	_, at := relays(t, p, "tcp")
	await(t, "it is ejected", func() bool {
		asks(t, at)
		return statusOf(t, p, b.address()).Health == Ejected
	})
	for range 20 {
		if name, _ := asks(t, at); name != "a" {
			t.Fatalf("%q served", name)
		}
	}
	if s := statusOf(t, p, b.address()); !strings.Contains(s.Why, "reset before an answer") && !strings.Contains(s.Why, "connection reset by peer") {
		t.Errorf("it is ejected since %s", s.Why)
	}
}

// Busy servers get less: of two, the one with fewer open connections has the next.
func TestConnectionsThatStay(t *testing.T) {
	a, b := newEchoing(t, "a"), newEchoing(t, "b")
	p := newPool(t, Config{Members: members(t, a.address(), b.address())})
	_, at := relays(t, p, "tcp")
	count := map[string]int{}
	for range 40 {
		name, _ := asks(t, at)
		count[name]++
	}
	if count["a"] != 20 || count["b"] != 20 {
		t.Errorf("of 40 that stay open %v", count)
	}
}

// A host stays at its server, over several relays of a pool.
func TestHashOfPeers(t *testing.T) {
	var all []string
	for i := range 5 {
		all = append(all, newEchoing(t, fmt.Sprint(i)).address())
	}
	p := newPool(t, Config{Members: members(t, all...), Policy: SourceHash})
	_, one := relays(t, p, "tcp")
	_, other := relays(t, p, "tcp")
	name, _ := asks(t, one)
	for range 10 {
		for _, at := range []string{one, other} {
			if again, _ := asks(t, at); again != name {
				t.Errorf("this host was at %s and is at %s", name, again)
			}
		}
	}
}

// udpEchoing answers datagrams with its name until it dies.
func udpEchoing(t testing.TB, name, at string) (address string, die func()) {
	c, err := net.ListenPacket("udp", at)
	try(t, err)
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(append([]byte(name), b[:n]...), from)
		}
	}()
	t.Cleanup(func() { c.Close() })
	return "udp:" + c.LocalAddr().String(), func() { c.Close() }
}

// Sessions of datagrams are balanced too; a server that is gone refuses by ICMP, and is
// ejected, and its sessions go to another.
func TestSessions(t *testing.T) {
	for _, engine := range []relay.Path{relay.Auto, relay.General} {
		t.Run(fmt.Sprint(engine), func(t *testing.T) {
			a, _ := udpEchoing(t, "a", "127.0.0.1:0")
			b, die := udpEchoing(t, "b", "127.0.0.1:0")
			p := newPool(t, Config{Members: members(t, a, b), Passive: Passive{Ejection: time.Millisecond, Longest: 50 * time.Millisecond}})
			_, at := relaysBy(t, p, "udp", engine)
			ask := func() string {
				c, err := net.Dial("udp", at)
				try(t, err)
				t.Cleanup(func() { c.Close() })
				c.SetDeadline(time.Now().Add(patience))
				_, err = io.WriteString(c, "x")
				try(t, err)
				answer := make([]byte, 10)
				n, err := c.Read(answer)
				try(t, err)
				return string(answer[:n])
			}
			count := map[string]int{}
			for range 20 {
				count[ask()]++
			}
			if count["ax"] != 10 || count["bx"] != 10 {
				t.Errorf("of 20 sessions %v", count)
			}
			die()
			await(t, "it is ejected", func() bool {
				if got := ask(); got != "ax" {
					t.Fatalf("%q answers", got)
				}
				return statusOf(t, p, b).Failed >= 3
			})
			udpEchoing(t, "b", strings.TrimPrefix(b, "udp:"))
			await(t, "it is back", func() bool { return ask() == "bx" })
		})
	}
}

// What a peer has sent before its server was reached is passed on whole to the one that is:
// the first of those tried refuse.
func TestNothingIsLostByTries(t *testing.T) {
	a := newEchoing(t, "a")
	dead1, dead2 := newEchoing(t, "x"), newEchoing(t, "y")
	dead1.die()
	dead2.die()
	p := newPool(t, Config{Members: members(t, a.address(), dead1.address(), dead2.address()), Passive: Passive{Failures: -1}})
	_, at := relays(t, p, "tcp")
	said := bytes.Repeat([]byte("what was said "), 5000)
	for range 20 {
		c, err := net.Dial("tcp", at)
		try(t, err)
		c.SetDeadline(time.Now().Add(patience))
		go func() {
			c.Write(said)
			c.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, append([]byte("a"), said...)) {
			t.Fatalf("%d bytes came back, %v", len(got), err)
		}
		c.Close()
	}
	if s := statusOf(t, p, dead1.address()); s.Failed == 0 || s.Health != Up {
		t.Errorf("a dead one is %+v", s)
	}
}

// What a connection through a relay takes with a pool, with a Route that chooses nothing, and
// without either.
func BenchmarkPairs(b *testing.B) {
	for _, with := range []string{"plain", "route", "pool"} {
		b.Run(with, func(b *testing.B) {
			e := newEchoing(b, "e")
			p := newPool(b, Config{Members: members(b, e.address())})
			r := &relay.Relay{Config: relay.Config{From: parse(b, "tcp-listen:127.0.0.1:0"), To: p.Addresses()}}
			switch with {
			case "route":
				r.Route = func(_ context.Context, _ *relay.Peer, to []address.Address) ([]address.Address, error) {
					return to, nil
				}
			case "pool":
				p.Link().Hook(&r.Hooks)
			}
			at := runs(b, r)
			for b.Loop() {
				c, err := net.Dial("tcp", at)
				try(b, err)
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					b.Fatal(err)
				}
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		})
	}
}
