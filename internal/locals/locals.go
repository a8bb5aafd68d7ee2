// Package locals knows addresses of this machine for sockets of every scheme, for
// who tries or measures each kind of them.
package locals

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// A Local says where the sockets of a scheme find an address of this machine.
type Local struct {
	Files bool   // it is a path
	Needs string // what a machine that lacks the kind would need, "" where nothing is known
	Most  int    // the most bytes of a message, 0 where that is thousands

	rest func(dir string) string // what follows on the scheme in an address
	none string                  // why there is no address
}

var locals = map[string]Local{
	"tcp": loopback4, "udp": loopback4, "mptcp": loopback4,
	"tcp6": loopback6, "udp6": loopback6,
	"unix": inFolder, "unix-dgram": inFolder, "unix-seqpacket": inFolder,
	"vsock": vsockLoopback, "vsock-seqpacket": vsockLoopback,
	"spp": {rest: xnsSegment}, "spp-stream": {rest: xnsSegment}, "idp": {rest: xnsSegment, Most: 512},
	"quic-dgram": {rest: fixed("127.0.0.1:0"), Most: 1200}, // what a packet carries on every path
	"raw": {
		// Of the addresses that all are this machine's, one that no other raw
		// socket has, so that nobody else gets copies. The protocol is one of
		// those for experiments (RFC 3692).
		rest: func(string) string {
			n := rand.Uint32()
			return fmt.Sprintf("127.%d.%d.%d,protocol=253", 1+byte(n)%250, byte(n>>8), 1+byte(n>>16)%250)
		},
		Needs: "the capability CAP_NET_RAW",
	},
	"raw6": {none: "IPv6 has a single loopback address, where a raw socket hears itself"},
}

var (
	loopback4     = Local{rest: fixed("127.0.0.1:0")}
	loopback6     = Local{rest: fixed("[::1]:0"), Needs: "an IPv6 loopback address"}
	vsockLoopback = Local{rest: fixed("1:any"), Needs: "the kernel module vsock_loopback"}
	xnsSegment    = fixed("##0,link=memory:locals")
	inFolder      = Local{Files: true, rest: func(dir string) string { return address.Escape(filepath.Join(dir, number())) }}
	byName        = Local{rest: func(string) string { return "local-" + number() }}
)

func fixed(rest string) func(string) string { return func(string) string { return rest } }

var counter atomic.Uint64

// number makes names differ.
func number() string { return strconv.FormatUint(counter.Add(1), 10) }

// Of returns where the sockets of a scheme find an address, by what its endpoint
// looks like if the table above does not have it.
func Of(s *scheme.Scheme) (Local, error) {
	l, ok := locals[s.Name]
	switch {
	case ok && l.none != "":
		return l, errors.New(l.none)
	case ok:
		return l, nil
	case strings.HasPrefix(s.Endpoint, "host:"), strings.HasPrefix(s.Endpoint, "host[:"):
		return loopback4, nil
	case strings.HasPrefix(s.Endpoint, "path"):
		return inFolder, nil
	case s.Endpoint == "name":
		return byName, nil
	}
	return l, fmt.Errorf("no endpoint of this machine is known for %s:%s, which is not host:port, a path or a name", s.Name, s.Endpoint)
}

// Address returns an address for one more socket of the scheme, whose file, if it has
// one, is in dir.
func (l Local) Address(s *scheme.Scheme, dir string) (address.Address, error) {
	return address.Parse(s.Name + ":" + l.rest(dir))
}

// Pipe makes the two ends of a pipe.
func Pipe() (reader, writer *socket.Socket, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	defer w.Close()
	if reader, err = socket.FromFile(r); err != nil {
		return nil, nil, err
	}
	if writer, err = socket.FromFile(w); err != nil {
		reader.Close()
		return nil, nil, err
	}
	return reader, writer, nil
}
