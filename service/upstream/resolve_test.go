package upstream

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A world answers DNS queries.
type world struct {
	mu    sync.Mutex
	names map[string][]string // by "name."; nil fails
	asked int
}

func (w *world) set(name string, addresses ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name+"."] = addresses
}

func newWorld(t *testing.T) (*world, *net.Resolver) {
	w := &world{names: map[string][]string{}}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	try(t, err)
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := w.answer(b[:n]); answer != nil {
				c.WriteTo(answer, from)
			}
		}
	}()
	at := c.LocalAddr().String()
	return w, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", at)
	}}
}

func (w *world) answer(query []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	w.mu.Lock()
	w.asked++
	addresses := w.names[q.Name.String()]
	w.mu.Unlock()
	head := dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}
	if addresses == nil {
		head.RCode = dnsmessage.RCodeServerFailure
	}
	b := dnsmessage.NewBuilder(nil, head)
	b.StartQuestions()
	b.Question(q)
	b.StartAnswers()
	for _, text := range addresses {
		a := netip.MustParseAddr(text)
		rh := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
		switch {
		case q.Type == dnsmessage.TypeA && a.Is4():
			b.AResource(rh, dnsmessage.AResource{A: a.As4()})
		case q.Type == dnsmessage.TypeAAAA && a.Is6():
			b.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	answer, _ := b.Finish()
	return answer
}

func addressesOf(p *Pool) (all []string) {
	for _, s := range p.Status().Servers {
		all = append(all, s.Address)
	}
	slices.Sort(all)
	return all
}

// Each address of a name is a server, addresses that come and go are followed, and what
// cannot be looked up stays as it was.
func TestNames(t *testing.T) {
	w, resolver := newWorld(t)
	w.set("db.example", "127.0.0.2", "127.0.0.3")
	var j journal
	p := newPool(t, Config{Members: members(t, "tcp:db.example:5432", "tcp:127.0.0.9:5432"), Resolver: resolver, Resolve: time.Millisecond, Log: j.Logger()})
	is := func(want ...string) {
		t.Helper()
		await(t, strings.Join(want, " "), func() bool { return slices.Equal(addressesOf(p), want) })
	}
	is("tcp:127.0.0.9:5432", "tcp:db.example:5432") // until it runs
	run(t, p)
	is("tcp:127.0.0.2:5432", "tcp:127.0.0.3:5432", "tcp:127.0.0.9:5432")
	try(t, p.Eject("tcp:127.0.0.3:5432"))
	w.set("db.example", "127.0.0.4", "127.0.0.3")
	is("tcp:127.0.0.3:5432", "tcp:127.0.0.4:5432", "tcp:127.0.0.9:5432")
	if s := statusOf(t, p, "tcp:127.0.0.3:5432"); s.Health != Off || s.Member != "tcp:db.example:5432" {
		t.Errorf("what stayed is %+v", s)
	}
	w.set("db.example") // no longer known
	w.mu.Lock()
	w.names["db.example."] = nil
	w.mu.Unlock()
	await(t, "that is noticed", func() bool { return p.Status().Unresolved["tcp:db.example:5432"] != "" })
	is("tcp:127.0.0.3:5432", "tcp:127.0.0.4:5432", "tcp:127.0.0.9:5432")
	try(t, p.Eject("tcp:db.example:5432")) // all of them
	if n := p.Status().Up; n != 1 {
		t.Errorf("%d are up", n)
	}
	for _, line := range []string{
		`msg="upstream has new addresses" upstream=tcp:db.example:5432 new=[127.0.0.4:5432] gone=[127.0.0.2:5432]`,
		`msg="upstream could not be looked up" upstream=tcp:db.example:5432 "addresses kept"=2`,
	} {
		await(t, "the log has "+line, func() bool { return strings.Contains(j.String(), line) })
	}
}

// The other family is used while the preferred one is down.
func TestFamilies(t *testing.T) {
	w, resolver := newWorld(t)
	w.set("two.example", "127.0.0.2", "127.0.0.3", "::1")
	p := newPool(t, Config{Members: members(t, "tcp:two.example:80"), Resolver: resolver, Resolve: -1, Tries: 1})
	run(t, p)
	await(t, "it is looked up", func() bool { return len(addressesOf(p)) == 3 })
	count := picks(p, 100, true)
	preferred, other := p.Status().Servers[0].Address, p.Status().Servers[2].Address
	if strings.Contains(preferred, "[") {
		if count[preferred] != 100 {
			t.Errorf("IPv6 is preferred, and of 100 pairs %v", count)
		}
		return
	}
	if count[other] != 0 || count[preferred] != 50 {
		t.Errorf("of 100 pairs %v", count)
	}
	try(t, p.Eject("tcp:127.0.0.2:80"))
	try(t, p.Eject("tcp:127.0.0.3:80"))
	if count := picks(p, 100, true); count[other] != 100 {
		t.Errorf("with the preferred ones out, of 100 pairs %v", count)
	}
}

// Through a relay a name's servers are reached.
func TestNameThroughRelay(t *testing.T) {
	a := newEchoing(t, "a")
	w, resolver := newWorld(t)
	w.set("web.example", "127.0.0.1")
	p := newPool(t, Config{Members: members(t, "tcp:web.example:"+a.at[strings.LastIndexByte(a.at, ':')+1:]), Resolver: resolver})
	run(t, p)
	await(t, "it is looked up", func() bool { return addressesOf(p)[0] == a.address() })
	_, at := relays(t, p, "tcp")
	if name, _ := asks(t, at); name != "a" {
		t.Errorf("%q serves", name)
	}
}
