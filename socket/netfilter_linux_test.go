package socket_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

// nft gives the namespace's netfilter these rules.
func nft(t *testing.T, rules string) {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "nft"), "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

// nftCounter returns how many packets a named counter of table ip t has seen.
func nftCounter(t *testing.T, name string) int {
	t.Helper()
	out, err := exec.Command(testenv.Program(t, "nft"), "list", "counter", "ip", "t", name).Output()
	check(t, err)
	m := regexp.MustCompile(`packets (\d+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no counter in %q", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	check(t, err)
	return n
}

func connected(t *testing.T, k testKind, to socket.Name, options ...func(*socket.Socket) error) *socket.Socket {
	t.Helper()
	s := k.open(t)
	for _, o := range options {
		check(t, o(s))
	}
	check(t, s.Connect(t.Context(), to))
	return s
}

func accepted(t *testing.T, l *socket.Socket) *socket.Socket {
	t.Helper()
	s, err := l.Accept(t.Context())
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// A connection that netfilter redirected tells where it was made to.
func TestOriginalDestination(t *testing.T) {
	testenv.InNamespace(t, []string{"addr add fd00::7/128 dev lo nodad"}, func() {
		for _, c := range []struct {
			kind           testKind
			family, to, by string
		}{
			{tcp, "ip", "127.7.7.7:80", "ip daddr 127.7.7.7"},
			{tcp6, "ip6", "[fd00::7]:80", "ip6 daddr fd00::7"},
		} {
			l := c.kind.listener(t)
			nft(t, fmt.Sprintf("table %s t { chain c { type nat hook output priority -100; %s tcp dport 80 redirect to :%d; }; }",
				c.family, c.by, l.Name().AddrPort().Port()))
			connected(t, c.kind, named(c.to))
			s := accepted(t, l)
			if n, err := option.OriginalDestination.Get(s); n != named(c.to) || err != nil {
				t.Errorf("%v: original destination %v, %v; want %v", c.kind, n, err, c.to)
			}
			if s.Name() == named(c.to) {
				t.Errorf("%v: it was not redirected", c.kind)
			}
		}
	})
}

// A transparent proxy is given what is sent to others: its datagrams say to
// whom, its connections are named so, and it answers in their name.
func TestTransparentProxy(t *testing.T) {
	transparent := func(s *socket.Socket) error { return option.Transparent.Set(s, true) }
	marked := func(s *socket.Socket) error {
		if err := option.Mark.Set(s, 7); err != nil {
			return err
		}
		return s.Bind(loopback(0))
	}
	routes := []string{"rule add fwmark 7 lookup 100", "route add local 192.0.2.0/24 dev lo table 100"}
	testenv.InNamespace(t, routes, func() {
		proxy := bindTo(t, socket.Inet, "127.0.0.1:0", transparent, func(s *socket.Socket) error { return option.ReceiveOriginalDestination.Set(s, true) })
		l := tcp.bound(t)
		check(t, transparent(l))
		check(t, l.Listen(0))
		nft(t, fmt.Sprintf(`table ip t { chain c { type filter hook prerouting priority mangle;
			ip daddr 192.0.2.0/24 udp dport 53 tproxy to 127.0.0.1:%d accept
			ip daddr 192.0.2.0/24 tcp dport 80 tproxy to 127.0.0.1:%d accept
		}; }`, proxy.Name().AddrPort().Port(), l.Name().AddrPort().Port()))

		client := connected(t, udp, named("192.0.2.5:53"), marked)
		_, err := client.Write([]byte("a question"))
		check(t, err)
		m := message(100)
		check(t, proxy.Receive(m))
		if a := &m.Ancillary; a.Present&socket.HasOriginalDestination == 0 || a.OriginalDestination != named("192.0.2.5:53") || m.Peer != client.Name() {
			t.Errorf("from %v, original destination %v", m.Peer, a.OriginalDestination)
		}
		inItsName := bindTo(t, socket.Inet, "192.0.2.5:53", transparent)
		m.Ancillary.Present = 0
		m.SetData([]byte("an answer"))
		_, err = inItsName.Send(m)
		check(t, err)
		receives(t, client, "an answer")

		stream := connected(t, tcp, named("192.0.2.6:80"), marked)
		s := accepted(t, l)
		if s.Name() != named("192.0.2.6:80") || s.Peer() != stream.Name() {
			t.Errorf("accepted as %v from %v", s.Name(), s.Peer())
		}
		_, err = s.Write([]byte("hello"))
		check(t, err)
		receives(t, stream, "hello")
	})
}

// Packets leave with the priority, the mark and the class that were set.
func TestPacketFields(t *testing.T) {
	testenv.InNamespace(t, nil, func() {
		nft(t, `table ip t {
			counter queueing {}
			counter marked {}
			counter classed {}
			chain c { type filter hook output priority 0;
				meta priority 0:5 counter name queueing
				meta mark 9 counter name marked
				ip dscp ef ip ecn ect1 counter name classed
			}
		}`)
		to := udp.bound(t)
		for _, c := range []struct {
			counter string
			set     func(*socket.Socket) error
		}{
			{"queueing", func(s *socket.Socket) error { return option.Priority.Set(s, 5) }},
			{"marked", func(s *socket.Socket) error { return option.Mark.Set(s, 9) }},
			{"classed", func(s *socket.Socket) error { return option.TypeOfService.Set(s, 46<<2|1) }},
		} {
			for _, with := range []int{0, 1} {
				s := udp.open(t)
				if with == 1 {
					check(t, c.set(s))
				}
				check(t, s.Connect(t.Context(), to.Name()))
				_, err := s.Write([]byte("x"))
				check(t, err)
				if n := nftCounter(t, c.counter); n != with {
					t.Errorf("%s: %d packets, want %d", c.counter, n, with)
				}
			}
		}
	})
}

// A connection whose packets get lost ends when the options say, and not after
// the system's quarter of an hour, or two hours if it is idle.
func TestConnectionTimeouts(t *testing.T) {
	testenv.InNamespace(t, nil, func() {
		l := tcp.listener(t)
		writer := connected(t, tcp, l.Name(), func(s *socket.Socket) error { return option.UserTimeout.Set(s, 300*time.Millisecond) })
		idle := connected(t, tcp, l.Name(), func(s *socket.Socket) error { return option.KeepAlive.Set(s, true) },
			func(s *socket.Socket) error { return option.KeepAliveIdle.Set(s, time.Second) },
			func(s *socket.Socket) error { return option.KeepAliveInterval.Set(s, time.Second) },
			func(s *socket.Socket) error { return option.KeepAliveCount.Set(s, 1) })
		accepted(t, l)
		accepted(t, l)
		nft(t, `table ip t { chain c { type filter hook input priority 0; meta l4proto tcp drop; }; }`)
		_, err := writer.Write([]byte("lost"))
		check(t, err)
		for what, s := range map[string]*socket.Socket{"with data under way": writer, "idle": idle} {
			check(t, s.SetReadDeadline(time.Now().Add(time.Minute)))
			_, err := s.Read(make([]byte, 1))
			wantError(t, what, err, syscall.ETIMEDOUT)
		}
	})
}
