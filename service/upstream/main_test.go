package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/poll"
	"zocalo/internal/testenv"
	_ "zocalo/layer/tls"
	"zocalo/relay"
)

func TestMain(m *testing.M) { testenv.Main(m, poll.ClosePipes) }

// patience is how long anything may take.
const patience = 30 * time.Second

func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, text string) address.Address {
	t.Helper()
	a, err := address.Parse(text)
	try(t, err)
	return a
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	testenv.Await(t, what, holds)
}

// A journal is a log that tests look at.
type journal = testenv.Journal

// members makes them of addresses.
func members(t testing.TB, texts ...string) (all []Member) {
	for _, text := range texts {
		all = append(all, Member{Address: parse(t, text)})
	}
	return all
}

// numbered are n members of weight 1.
func numbered(t testing.TB, n int) (all []Member) {
	for i := range n {
		all = append(all, Member{Address: parse(t, fmt.Sprintf("tcp:10.0.%d.%d:80", i/250, i%250+1))})
	}
	return all
}

func newPool(t testing.TB, c Config) *Pool {
	t.Helper()
	p, err := New(c)
	try(t, err)
	return p
}

// run runs a pool until the test ends.
func run(t testing.TB, p *Pool) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// relays runs a relay through a pool until the test ends, and returns the
// address to dial.
func relays(t testing.TB, p *Pool, scheme string) (*relay.Relay, string) {
	t.Helper()
	return relaysBy(t, p, scheme, relay.Auto)
}

func relaysBy(t testing.TB, p *Pool, scheme string, path relay.Path) (*relay.Relay, string) {
	t.Helper()
	r := &relay.Relay{Config: relay.Config{From: parse(t, scheme+"-listen:127.0.0.1:0"), To: p.Addresses(), Path: path}}
	p.Link().Hook(&r.Hooks)
	return r, runs(t, r)
}

// runs runs a relay until the test ends, and returns the address to dial.
func runs(t testing.TB, r *relay.Relay) string {
	t.Helper()
	at := make(chan string, 1)
	r.Limits.Drain = time.Nanosecond
	r.Listening = func(l *zocalo.Listener, _ address.Address) error {
		at <- l.Name().String()
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		r.Abort()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-at:
		return a
	case err := <-done:
		done <- err
		t.Fatalf("the relay ended: %v", err)
		return ""
	}
}

// A server that says its name and echoes, and can die and come back on its port.
type echoing struct {
	t    testing.TB
	name string
	at   string
	l    net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
	// serve, if not nil, is what it does with a connection.
	serve func(net.Conn)
}

func newEchoing(t testing.TB, name string) *echoing {
	e := &echoing{t: t, name: name, at: "127.0.0.1:0"}
	e.start()
	t.Cleanup(e.die)
	return e
}

// serves has it do something else with its connections from now on.
func (e *echoing) serves(serve func(net.Conn)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serve = serve
}

func (e *echoing) start() {
	e.t.Helper()
	l, err := net.Listen("tcp", e.at)
	try(e.t, err)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.l, e.at, e.open = l, l.Addr().String(), map[net.Conn]bool{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			if e.l != l {
				e.mu.Unlock()
				c.Close()
				continue
			}
			e.open[c] = true
			serve := e.serve
			e.mu.Unlock()
			go func() {
				defer func() {
					c.Close()
					e.mu.Lock()
					delete(e.open, c)
					e.mu.Unlock()
				}()
				if serve != nil {
					serve(c)
					return
				}
				io.WriteString(c, e.name)
				// Without splice(2), whose pipes package net keeps for a while.
				io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}()
		}
	}()
}

// die closes the port and resets what is open.
func (e *echoing) die() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.l == nil {
		return
	}
	e.l.Close()
	e.l = nil
	for c := range e.open {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (e *echoing) address() string { return "tcp:" + e.at }

// asks connects and returns the name of the server that serves, of one letter, "" for none.
func asks(t testing.TB, at string) (name string, c net.Conn) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if errors.Is(err, syscall.ECONNRESET) { // refused as soon as that
		return "", nil
	}
	try(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, 1)
	n, _ := c.Read(b)
	return string(b[:n]), c
}

func statusOf(t testing.TB, p *Pool, text string) ServerStatus {
	t.Helper()
	for _, s := range p.Status().Servers {
		if s.Address == text {
			return s
		}
	}
	t.Fatalf("no server %s in %+v", text, p.Status())
	return ServerStatus{}
}
