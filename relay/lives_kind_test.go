package relay_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"zocalo/socket"
)

// A Kind is a kind of socket at one side of a relay, and what it can tell.
type Kind struct {
	Name     string
	Scheme   string // of its addresses
	Endpoint string // to listen on; "" is a path, or what the family chooses

	Messages  bool // it keeps the boundaries of messages
	HalfClose bool // one direction can end alone
	Full      bool // it has no empty messages
	Reset     bool // a reset arrives as such: without, the end is the only end there is

	Most   int // bytes of a message
	Total  int // bytes that a side writes in a life, about; 0 is no bound
	Weight int // how many lives it has beside others
}

// The kinds.
var (
	TCP       = Kind{Name: "tcp", Scheme: "tcp", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true, Weight: 16}
	TCP6      = Kind{Name: "tcp6", Scheme: "tcp6", Endpoint: "[::1]:0", HalfClose: true, Reset: true, Weight: 8}
	MPTCP     = Kind{Name: "mptcp", Scheme: "mptcp", Endpoint: "127.0.0.1:0", HalfClose: true, Reset: true, Weight: 4}
	Unix      = Kind{Name: "unix", Scheme: "unix", HalfClose: true, Weight: 16}
	SeqPacket = Kind{Name: "unix-seqpacket", Scheme: "unix-seqpacket", Messages: true, HalfClose: true, Most: 60_000, Weight: 8}
	ISO       = Kind{Name: "iso", Scheme: "iso", Endpoint: "127.0.0.1:0", Messages: true, Full: true, Reset: true, Most: 30_000, Total: 60_000, Weight: 4}
	ISOStream = Kind{Name: "iso-stream", Scheme: "iso-stream", Endpoint: "127.0.0.1:0", Reset: true, Total: 60_000, Weight: 4}
	SPP       = Kind{Name: "spp", Scheme: "spp", Messages: true, Reset: true, Most: 10_000, Total: 30_000, Weight: 2}
	SPPStream = Kind{Name: "spp-stream", Scheme: "spp-stream", Reset: true, Total: 30_000, Weight: 2}
)

// Kinds returns all that listen and connect.
func Kinds() []Kind {
	return []Kind{TCP, TCP6, MPTCP, Unix, SeqPacket, ISO, ISOStream, SPP, SPPStream}
}

var lastPath atomic.Int64

// endpoint is where a socket of the kind may listen.
func (k Kind) endpoint(dir string) string {
	if k.Endpoint == "" && strings.Contains(k.Scheme, Unix.Scheme) {
		return filepath.Join(dir, fmt.Sprint(lastPath.Add(1)))
	}
	return k.Endpoint
}

// listens is an address for the kind to listen on, and dials what a client of it gives
// beside the name.
func (k Kind) listens(dir string) string {
	listener, _ := layerOptions(k.Scheme)
	return k.Scheme + ":" + k.endpoint(dir) + listener
}

func (k Kind) dials(name socket.Name) string {
	_, client := layerOptions(k.Scheme)
	return k.Scheme + ":" + name.String() + client
}

// A pair is the kinds of both sides.
type pair struct{ from, to Kind }

// messages reports whether messages pass rather than bytes, and framed whether
// the streams among the two are cut into such.
func (p pair) messages() bool { return p.from.Messages || p.to.Messages }

func (p pair) framed(k Kind) bool { return p.messages() && !k.Messages }

// format is the option of an address whose stream is cut into messages.
func (p pair) format(k Kind) string {
	if p.framed(k) {
		return ",frame=len32"
	}
	return ""
}
