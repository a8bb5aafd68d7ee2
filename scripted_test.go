package zocalo_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// A scripted socket does what its name says, in one of two domains that are
// no kernel's: as "a.ok.300ms" or "b.refuse". It waits on timers and contexts
// alone, for testing/synctest. An endpoint is several names with + between.
//
//	ok.T      connects after T
//	late.T    the same, and the end of the context does not stop it
//	refuse.T  fails with ECONNREFUSED after T
//	hang      waits until the context ends
//	lack      cannot be made: EAFNOSUPPORT
//	absent    cannot be bound: EADDRNOTAVAIL
//	port.N    can be bound; N of 0 is chosen by the system
const (
	scriptedA socket.Domain = 0x1e0
	scriptedB socket.Domain = 0x1e1
)

// script is what happened to scripted sockets since begin.
var script struct {
	sync.Mutex
	start  time.Time
	events []string
	open   int
	next   int         // the port that the system chooses next
	taken  map[int]int // by port: how many binds of domain b still fail with EADDRINUSE
}

// begin forgets what happened before.
func begin(t *testing.T) {
	script.Lock()
	defer script.Unlock()
	script.start, script.events, script.open, script.next, script.taken = time.Now(), nil, 0, 5000, map[int]int{}
	t.Cleanup(func() {
		if n := stillOpen(); n != 0 {
			t.Errorf("%d sockets are still open", n)
		}
	})
}

func note(format string, args ...any) {
	script.Lock()
	defer script.Unlock()
	script.events = append(script.events, fmt.Sprintf("%v ", time.Since(script.start))+fmt.Sprintf(format, args...))
}

func events() string {
	script.Lock()
	defer script.Unlock()
	return strings.Join(script.events, "\n")
}

func stillOpen() int {
	script.Lock()
	defer script.Unlock()
	return script.open
}

var scriptedOptions = func() (specs []*option.Spec) {
	for _, p := range []option.Phase{option.Opened, option.Connected} {
		word := map[option.Phase]string{option.Opened: "early", option.Connected: "late"}[p]
		specs = append(specs, option.New(option.Spec{Name: word, Default: "none", Doc: "a word to note", Phase: p},
			codec.Text, func(_ socket.Endpoint, v string) error {
				note("set %s=%s", word, v)
				if v == "bad" {
					return syscall.EINVAL
				}
				return nil
			}, nil).Spec)
	}
	return append(specs, option.ReuseAddress.Spec)
}()

func registerScripted() {
	resolve := func(text string) (names []socket.Name, err error) {
		for word := range strings.SplitSeq(text, "+") {
			d, found := map[byte]socket.Domain{'a': scriptedA, 'b': scriptedB}[word[0]]
			if !found {
				return nil, fmt.Errorf("%q is no name of a scripted socket", word)
			}
			n, err := socket.MakeName(d, []byte(word))
			if err != nil {
				return nil, err
			}
			names = append(names, n)
		}
		return names, nil
	}
	newScheme := func(name string, t socket.Type) *scheme.Scheme {
		options := scriptedOptions
		if t == socket.SeqPacket {
			options = options[:2] // this one knows no ReuseAddress
		}
		return &scheme.Scheme{
			Name: name, Endpoint: "names", Doc: "for tests", Type: t, Options: options,
			Resolve: func(ctx context.Context, t scheme.Target) ([]socket.Name, error) {
				if t.Endpoint == "slow" {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				if t.Endpoint == "none" {
					return nil, nil
				}
				return resolve(t.Endpoint)
			},
			Source: func(_ context.Context, _ scheme.Target, text string) ([]socket.Name, error) { return resolve(text) },
			Follow: func(name, first socket.Name) socket.Name {
				text, port := name.String(), strings.TrimPrefix(first.String()[2:], "port.")
				if text[1:] != ".port.0" {
					return name
				}
				n, _ := socket.MakeName(name.Domain(), []byte(text[:2]+"port."+port))
				return n
			},
		}
	}
	socket.Register(&socket.Family{
		Name:       "scripted",
		Domains:    map[socket.Domain]string{scriptedA: "AF_A", scriptedB: "AF_B"},
		New:        newScripted,
		FormatName: func(n socket.Name) string { return string(n.AppendData(nil)) },
		KindName:   func(k socket.Kind) string { return "scripted" },
	})
	scheme.Register(
		newScheme("scripted", socket.Stream),
		newScheme("scripted-seqpacket", socket.SeqPacket),
		newScheme("scripted-dgram", socket.Datagram),
	)
}

type scripted struct {
	mu         sync.Mutex
	name, peer socket.Name
	closed     bool
}

func newScripted(k socket.Kind) (socket.Endpoint, error) {
	script.Lock()
	defer script.Unlock()
	script.open++
	return &scripted{}, nil
}

func (e *scripted) Connect(ctx context.Context, peer socket.Name) error {
	note("connect %v", peer)
	_, action, _ := strings.Cut(peer.String(), ".")
	action, text, _ := strings.Cut(action, ".")
	d, _ := time.ParseDuration(text)
	done := ctx.Done()
	after := (<-chan time.Time)(nil)
	switch action {
	case "lack":
		return syscall.EAFNOSUPPORT
	case "late":
		done = nil
		fallthrough
	case "ok", "refuse":
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-done:
		return ctx.Err()
	case <-after:
	}
	if action == "refuse" {
		return syscall.ECONNREFUSED
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peer = peer
	return nil
}

func (e *scripted) Bind(n socket.Name) error {
	_, action, _ := strings.Cut(n.String(), ".")
	action, text, _ := strings.Cut(action, ".")
	note("bind %v", n)
	switch action {
	case "lack":
		return syscall.EAFNOSUPPORT
	case "absent":
		return syscall.EADDRNOTAVAIL
	case "refuse":
		return syscall.EACCES
	}
	script.Lock()
	defer script.Unlock()
	var port int
	fmt.Sscan(text, &port)
	if port == 0 && action == "port" {
		port = script.next
		script.next++
	}
	if n.Domain() == scriptedB && script.taken[port] > 0 {
		script.taken[port]--
		return syscall.EADDRINUSE
	}
	if action == "port" {
		n, _ = socket.MakeName(n.Domain(), fmt.Appendf(nil, "%c.port.%d", n.String()[0], port))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.name = n
	return nil
}

func (e *scripted) Listen(backlog int) error {
	note("listen %v %d", e.Name(), backlog)
	return nil
}

// Accept has a new connection at once, always.
func (e *scripted) Accept(context.Context) (socket.Endpoint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, net.ErrClosed
	}
	script.Lock()
	defer script.Unlock()
	script.open++
	return &scripted{name: e.name}, nil
}

func (e *scripted) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed = true
	script.Lock()
	defer script.Unlock()
	script.open--
	return nil
}

func (e *scripted) Name() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.name
}

func (e *scripted) Peer() socket.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.peer
}

func (e *scripted) Read([]byte) (int, error)         { return 0, io.EOF }
func (e *scripted) Write(b []byte) (int, error)      { return len(b), nil }
func (e *scripted) SetReadDeadline(time.Time) error  { return nil }
func (e *scripted) SetWriteDeadline(time.Time) error { return nil }
