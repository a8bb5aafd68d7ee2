package xns

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// A Link carries IDP packets between the hosts on it. It may lose, repeat and
// reorder them. ReadFrame has one caller at a time; the rest may be called
// from several goroutines at once.
type Link interface {
	// Host returns the number of the host as which the link takes part.
	Host() HostID
	// ReadFrame waits for a packet, with its padding, and copies it to b,
	// which has room for at least [MaxPacket] bytes. A packet that is not for
	// this host may be among them. After Close the error is net.ErrClosed; any
	// other ends the host.
	ReadFrame(b []byte) (int, error)
	// WriteFrame sends a packet of an even number of bytes to a host on the
	// link, or to all with [Broadcast], and keeps nothing of it. It does not
	// wait: where there is no room the packet is lost. An error says that it
	// cannot reach that host now, by ENETUNREACH or EHOSTUNREACH, or that the
	// packet is too large for the link, by EMSGSIZE.
	WriteFrame(to HostID, packet []byte) error
	Close() error
}

// mostTrain is how many packets a [trainLink] moves at once.
const mostTrain = 64

// A trainLink is a Link that moves many packets in one call of the system's.
type trainLink interface {
	Link
	// readTrain is ReadFrame for several packets, each into a buffer of its
	// own: it waits for the first alone, and returns how many there are.
	readTrain([]*buffer) (int, error)
	// writeTrain is WriteFrame for several packets, in order.
	writeTrain(to HostID, packets [][]byte) error
}

// LinkVariable is the environment variable that says which link is used where
// the option link does not; without it that is "local".
const LinkVariable = "ZOCALO_XNS_LINK"

// defaultLink returns the link that the environment says.
func defaultLink() string {
	if text := os.Getenv(LinkVariable); text != "" {
		return text
	}
	return "local"
}

// linkKinds are the links by the word before the colon.
var linkKinds = map[string]struct {
	form string
	open func(ctx context.Context, id HostID, rest string) (Link, error)
}{
	"local":      {"local or local:DIRECTORY", openLocal},
	"memory":     {"memory:NAME", openMemory},
	"hub":        {"hub:HOST:PORT or hub:/PATH", openHub},
	"udp":        {"udp:HOST:PORT", openUDP},
	"udp-listen": {"udp-listen:HOST:PORT", openUDPListen},
	"eth":        {"eth:INTERFACE", openEthernet},
}

const linkForms = "local, local:DIRECTORY, hub:HOST:PORT, hub:/PATH, eth:INTERFACE, udp:HOST:PORT, udp-listen:HOST:PORT or memory:NAME"

// CheckLink says what is wrong with the text of a link, before it is opened.
func CheckLink(text string) error {
	kind, rest, _ := strings.Cut(text, ":")
	k, ok := linkKinds[kind]
	switch {
	case !ok:
		return fmt.Errorf("link %.80q is not one of %s", text, linkForms)
	case rest == "" && kind != "local":
		return fmt.Errorf("link %.80q is not complete: write %s", text, k.form)
	}
	return nil
}

// OpenLink opens the link that text means:
//
//   - local, or local:DIRECTORY: the processes of this machine that use the
//     same directory; that of the user by default.
//   - hub:HOST:PORT: a NetHub, over TCP (its usual port is 3333); hub:/PATH:
//     one on a unix socket.
//   - eth:INTERFACE: an Ethernet interface; Linux, with CAP_NET_RAW.
//   - udp:HOST:PORT: the process that has udp-listen:HOST:PORT.
//   - memory:NAME: those of this process with the same name.
//
// The host's number is id, or on Ethernet the interface's own, which id must
// be if it is not zero. On other links a zero id means a random number that is
// locally administered; the same one for the life of the process.
func OpenLink(ctx context.Context, text string, id HostID) (Link, error) {
	if err := CheckLink(text); err != nil {
		return nil, err
	}
	if id.isGroup() {
		return nil, fmt.Errorf("%v is not the number of a single host: %w", id, syscall.EADDRNOTAVAIL)
	}
	kind, rest, _ := strings.Cut(text, ":")
	if id.IsZero() && kind != "eth" {
		id = processID()
	}
	l, err := linkKinds[kind].open(ctx, id, rest)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", text, err)
	}
	return l, nil
}

// processID is the number of a host that was given none.
var processID = sync.OnceValue(RandomHostID)

// RandomHostID returns a random number that is locally administered, as IEEE
// 802 defines it, so that it is no interface's hardware address.
func RandomHostID() (h HostID) {
	rand.Read(h[:])
	h[0] = h[0]&^1 | 2
	return h
}
