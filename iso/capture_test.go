package iso

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A capture is a pcap file of packets that carry what went over the wire,
// between ports 102 and 40000 and up.
type capture struct {
	path string
	mu   sync.Mutex
	b    []byte
	next uint16
	all  sync.WaitGroup
}

func newCapture(t *testing.T) *capture {
	c := &capture{path: filepath.Join(t.TempDir(), "wire.pcap")}
	c.clear()
	return c
}

// clear begins a file: the header of libpcap, for frames of Ethernet.
func (c *capture) clear() {
	c.b = c.b[:0]
	for _, word := range []uint32{0xa1b2c3d4, 2<<16 | 4, 0, 0, 1 << 18, 1} {
		c.b = binary.BigEndian.AppendUint32(c.b, word)
	}
	c.next = 40000
}

// frame adds a frame of Ethernet, of that type or, in 802.3, length.
func (c *capture) frame(typ uint16, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := uint32(14 + len(payload))
	for _, word := range []uint32{uint32(len(c.b)), 0, n, n, 0x02000000, 0x00010200, 0x00000002} {
		c.b = binary.BigEndian.AppendUint32(c.b, word)
	}
	c.b = append(binary.BigEndian.AppendUint16(c.b, typ), payload...)
}

// packet adds an IPv4 packet that carries a segment of TCP.
func (c *capture) packet(segment []byte) {
	var b []byte
	for _, word := range []uint32{0x45<<24 | uint32(20+len(segment)), 0, 64<<24 | 6<<16, 0x7f000001, 0x7f000001} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	c.frame(0x0800, append(b, segment...))
}

// unitData adds a UD TPDU as it goes in a network of ISO's own: behind LLC, and
// the inactive subset of CLNP. tshark knows none in UDP.
func (c *capture) unitData(b []byte) {
	c.frame(uint16(4+len(b)), append([]byte{0xfe, 0xfe, 3, 0}, b...))
}

// flow is one direction of a TCP connection.
type flow struct {
	from, to uint16
	seq      uint32
	ack      *flow
}

const (
	flagFIN = 1
	flagSYN = 2
	flagACK = 16
)

func (c *capture) segment(f *flow, flags byte, data []byte) {
	b := binary.BigEndian.AppendUint16(nil, f.from)
	b = binary.BigEndian.AppendUint16(b, f.to)
	b = binary.BigEndian.AppendUint32(b, f.seq)
	b = binary.BigEndian.AppendUint32(b, f.ack.seq)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	f.seq += uint32(len(data)) + uint32(flags&(flagSYN|flagFIN)+1)/2
	c.packet(append(b, data...))
}

// relay returns an address through which everything that goes to that one and
// back is captured.
func (c *capture) relay(t *testing.T, to netip.AddrPort) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.all.Go(func() { c.join(t, client, to) })
		}
	})
	t.Cleanup(func() { l.Close(); c.all.Wait() })
	return netip.MustParseAddrPort(l.Addr().String())
}

func (c *capture) join(t *testing.T, client net.Conn, to netip.AddrPort) {
	defer client.Close()
	server, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	deadline := time.Now().Add(patience)
	client.SetDeadline(deadline)
	server.SetDeadline(deadline)
	c.mu.Lock()
	there, back := &flow{from: c.next, to: 102}, &flow{from: 102, to: c.next}
	c.next++
	c.mu.Unlock()
	there.ack, back.ack = back, there
	var order sync.Mutex
	c.segment(there, flagSYN, nil)
	c.segment(back, flagSYN|flagACK, nil)
	c.segment(there, flagACK, nil)
	copy := func(f *flow, from, to net.Conn) {
		b := make([]byte, 1400)
		for {
			n, err := from.Read(b)
			order.Lock()
			if n > 0 {
				c.segment(f, flagACK, b[:n])
			} else {
				c.segment(f, flagACK|flagFIN, nil)
			}
			order.Unlock()
			if n > 0 {
				to.Write(b[:n])
			}
			if err != nil {
				to.(*net.TCPConn).CloseWrite()
				return
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() { copy(there, client, server) })
	both.Go(func() { copy(back, server, client) })
	both.Wait()
}

// tshark returns the values of a field, in their order, and says what tshark
// finds wrong.
func (c *capture) tshark(t *testing.T, field string) string {
	t.Helper()
	c.mu.Lock()
	err := os.WriteFile(c.path, c.b, 0o600)
	c.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	read := func(args ...string) string {
		// User data is of no layer that tshark should guess at.
		cmd := exec.CommandContext(t.Context(), "tshark", append([]string{"-n", "-r", c.path, "--disable-protocol", "ses", "--disable-protocol", "t125"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("tshark %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	// It calls every checksum of COTP and CLTP wrong that is right.
	if wrong := read("-V", "-Y", "(_ws.malformed || _ws.expert.severity >= 6291456) && !cotp.bad_checksum"); wrong != "" {
		t.Errorf("tshark finds this wrong:\n%s", wrong)
	}
	values := read("-Y", field, "-T", "fields", "-e", field)
	return strings.Join(strings.FieldsFunc(values, func(r rune) bool { return r == '\n' || r == ',' }), " ")
}
