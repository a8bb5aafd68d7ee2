package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"zocalo/socket"
	"zocalo/socket/sockettest"
)

// kernelKinds are those that every run tries, in the order of the table.
var kernelKinds = []string{"tcp", "tcp6", "mptcp", "udp", "unix", "unix-dgram", "unix-seqpacket", "vsock", "raw", "socketpair", "pipe"}

// askedOnly are kinds that say nothing more than one of kernelKinds does.
var askedOnly = []string{"tcp4", "udp4", "udp6", "raw6", "vsock-seqpacket"}

// linkKinds would need a network interface that carries nothing else.
var linkKinds = []string{"packet", "packet-dgram"}

// Kinds returns the kinds that [Run] tries unless told otherwise: the
// kernel's, a pipe to compare them with, and those of every other family that
// the program has registered.
func Kinds() []string {
	kinds := slices.Clone(kernelKinds)
	others := slices.Concat(kernelKinds, askedOnly, linkKinds)
	for _, s := range socket.Schemes() {
		if s.Resolve != nil && !s.NoListen && !s.NoDial && !slices.Contains(others, s.Name) {
			kinds = append(kinds, s.Name)
		}
	}
	return kinds
}

// An opener makes the source of a kind that was found. Its error says why
// this machine lacks the kind.
type opener func(context.Context) (*Source, error)

// lookup finds a kind by its name: a scheme, or socketpair, pipe or memory.
func lookup(kind string) (string, opener, error) {
	kind = strings.ToLower(kind)
	switch kind {
	case "socketpair":
		return kind, openSocketpair, nil
	case "pipe":
		return kind, openPipe, nil
	case "memory", "memory-dgram", "memory-seqpacket":
		sockettest.RegisterMemory()
	}
	s, ok := socket.LookupScheme(kind)
	switch {
	case !ok:
		return "", nil, &UnknownError{"kind", kind, append(Kinds(), askedOnly...)}
	case slices.Contains(linkKinds, s.Name):
		return "", nil, &KindError{kind, "it would need a network interface that carries nothing else"}
	case s.Resolve == nil || s.NoListen || s.NoDial:
		return "", nil, &KindError{kind, "it does not have both a side that listens and one that connects"}
	}
	return s.Name, func(ctx context.Context) (*Source, error) { return openScheme(ctx, s) }, nil
}

// local says how the sockets of a scheme are named for a trial.
type local struct {
	endpoint func(dir string) (string, error)
	settings map[string]string
	most     int    // the most octets of a message, 0 where that is thousands
	files    bool   // the endpoint is a path
	needs    string // what a machine that lacks the kind would need
}

var locals = map[string]local{
	"tcp": loopback4, "udp": loopback4, "mptcp": loopback4,
	"tcp6": loopback6, "udp6": loopback6,
	"unix": inFolder, "unix-dgram": inFolder, "unix-seqpacket": inFolder,
	"vsock": vsockLoopback, "vsock-seqpacket": vsockLoopback,
	"spp": xnsSegment, "spp-stream": xnsSegment,
	"idp": {endpoint: xnsSegment.endpoint, settings: xnsSegment.settings, most: 512},
	"raw": {
		// Of the addresses that all are this machine's, one that no other raw
		// socket has, so that nobody else gets copies. The protocol is one of
		// those for experiments (RFC 3692).
		endpoint: func(string) (string, error) {
			n := rand.Uint32()
			return fmt.Sprintf("127.%d.%d.%d", 1+byte(n)%250, byte(n>>8), 1+byte(n>>16)%250), nil
		},
		settings: map[string]string{"protocol": "253"},
		needs:    "the capability CAP_NET_RAW",
	},
	"raw6": {
		endpoint: func(string) (string, error) {
			return "", errors.New("IPv6 has a single loopback address, where a raw socket hears itself")
		},
	},
}

var (
	loopback4     = local{endpoint: fixed("127.0.0.1:0")}
	loopback6     = local{endpoint: fixed("[::1]:0"), needs: "an IPv6 loopback address"}
	vsockLoopback = local{endpoint: fixed("1:any"), needs: "the kernel's module vsock_loopback"}
	xnsSegment    = local{endpoint: fixed("##0"), settings: map[string]string{"link": "memory:check"}}
	inFolder      = local{files: true, endpoint: func(dir string) (string, error) {
		return filepath.Join(dir, strconv.FormatUint(counter.Add(1), 10)), nil
	}}
	byName = local{endpoint: func(string) (string, error) {
		return "check-" + strconv.FormatUint(counter.Add(1), 10), nil
	}}
)

// counter makes names differ.
var counter atomic.Uint64

func fixed(endpoint string) func(string) (string, error) {
	return func(string) (string, error) { return endpoint, nil }
}

// localOf returns how to name the sockets of a scheme, by what its endpoint
// looks like if the table above does not have it.
func localOf(s *socket.Scheme) (local, error) {
	if l, ok := locals[s.Name]; ok {
		return l, nil
	}
	switch {
	case strings.HasPrefix(s.Endpoint, "host:"), strings.HasPrefix(s.Endpoint, "host[:"):
		return loopback4, nil
	case strings.HasPrefix(s.Endpoint, "path"):
		return inFolder, nil
	case s.Endpoint == "name":
		return byName, nil
	}
	return local{}, fmt.Errorf("no endpoint of this machine is known for %s:%s", s.Name, s.Endpoint)
}

// openScheme makes the source of a scheme, and sees whether it works here.
func openScheme(ctx context.Context, s *socket.Scheme) (*Source, error) {
	l, err := localOf(s)
	if err != nil {
		return nil, err
	}
	p := &place{scheme: s, local: l}
	if p.settings, err = p.parseSettings(); err != nil {
		return nil, err
	}
	if l.files {
		if p.dir, err = os.MkdirTemp("", "zocalo-check-"); err != nil {
			return nil, err
		}
	}
	src, err := p.source(ctx)
	if err != nil {
		p.clean()
		if l.needs != "" {
			err = fmt.Errorf("%s: it needs %s", why(err), l.needs)
		}
		return nil, err
	}
	return src, nil
}

// A place is where the sockets of a scheme get their names.
type place struct {
	scheme   *socket.Scheme
	local    local
	settings socket.Settings
	dir      string // for the files of its sockets, "" where they have none
}

// clean removes the folder.
func (p *place) clean() {
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
}

func (p *place) parseSettings() (ss socket.Settings, err error) {
	for name, text := range p.local.settings {
		i := slices.IndexFunc(p.scheme.Options, func(o *socket.Spec) bool { return o.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("scheme %s has no option %s", p.scheme.Name, name)
		}
		v, err := p.scheme.Options[i].Parse(text)
		if err != nil {
			return nil, err
		}
		ss = append(ss, socket.Setting{Spec: p.scheme.Options[i], Value: v})
	}
	return ss, nil
}

// name resolves an endpoint of this machine to its first name.
func (p *place) name(ctx context.Context) (socket.Target, socket.Name, error) {
	endpoint, err := p.local.endpoint(p.dir)
	t := socket.Target{Endpoint: endpoint, Passive: true, Settings: p.settings}
	if err != nil {
		return t, socket.Name{}, err
	}
	names, err := p.scheme.Resolve(ctx, t)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s:%s means no name", p.scheme.Name, endpoint)
	}
	if err != nil {
		return t, socket.Name{}, err
	}
	return t, names[0], nil
}

func (p *place) source(ctx context.Context) (*Source, error) {
	target, name, err := p.name(ctx)
	if err != nil {
		return nil, err
	}
	kind := socket.Kind{Domain: name.Domain(), Type: p.scheme.Type, Protocol: p.scheme.Protocol}
	if p.scheme.Kind != nil {
		kind = p.scheme.Kind(target, name)
	}
	src := &Source{
		Name: p.scheme.Name, Kind: kind, Promised: kind.Properties(), MostMessage: p.local.most,
		New:   func() (*socket.Socket, error) { return socket.New(kind.Domain, kind.Type, kind.Protocol) },
		Bind:  p.bind,
		Close: p.clean,
	}
	if kind.Domain == socket.Inet && kind.Type == socket.Raw {
		src.Payload = afterIPv4Header
	}
	a, b, err := src.connect(ctx)
	if err != nil {
		return nil, err
	}
	// What a connection promises may be known by now, and by none before.
	src.Promised = a.Properties()
	return src, errors.Join(a.Close(), b.Close())
}

func (p *place) bind(ctx context.Context, s *socket.Socket) error {
	for try := 0; ; try++ {
		target, name, err := p.name(ctx)
		if err != nil {
			return err
		}
		if p.scheme.Bind != nil {
			err = p.scheme.Bind(ctx, target, s, name)
		} else {
			err = s.Bind(name)
		}
		if try < 3 && errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		return err
	}
}

// afterIPv4Header returns what follows the header, which a raw socket of IPv4
// delivers with every packet (raw(7)).
func afterIPv4Header(b []byte) []byte {
	if len(b) < 20 || int(b[0]&15)*4 > len(b) {
		return b
	}
	return b[int(b[0]&15)*4:]
}

func openSocketpair(context.Context) (*Source, error) {
	kind := socket.Kind{Domain: socket.Unix, Type: socket.Stream}
	src := &Source{
		Name: "socketpair", Kind: kind, Promised: kind.Properties(),
		Pair: func(context.Context) (a, b *socket.Socket, err error) {
			return socket.Pair(kind.Domain, kind.Type, kind.Protocol)
		},
	}
	a, b, err := src.Pair(nil)
	if err != nil {
		return nil, err
	}
	return src, errors.Join(a.Close(), b.Close())
}
