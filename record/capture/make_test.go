package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// A tape is a recording in the making, whose packets come a millisecond apart.
type tape struct {
	t    testing.TB
	file bytes.Buffer
	w    *pcapng.Writer
	at   time.Time
	link func(ip []byte) []byte

	comments []string // on the packets to come
}

func newTape(t testing.TB, link pcapng.LinkType, wrap func(ip []byte) []byte) *tape {
	p := &tape{t: t, at: time.Unix(1800000000, 0), link: wrap}
	var err error
	if p.w, err = pcapng.NewWriter(&p.file, pcapng.Section{}); err != nil {
		t.Fatal(err)
	}
	p.w.Interface(pcapng.Interface{LinkType: link, Name: "lo"})
	return p
}

func (p *tape) packet(ip []byte) { p.cut(ip, len(ip)) }

// cut adds a packet of which only the first n bytes were kept.
func (p *tape) cut(ip []byte, n int) {
	b := ip[:n]
	if p.link != nil {
		b = p.link(b)
	}
	p.at = p.at.Add(time.Millisecond)
	if err := p.w.Packet(&pcapng.Packet{Time: p.at, Data: b, Length: len(b) + len(ip) - n, Comments: p.comments}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tape) read(o Options) *Capture {
	p.t.Helper()
	c, err := Read(context.Background(), bytes.NewReader(p.file.Bytes()), o)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// script tells of what happened, a word for each.
func script(c *Conversation) string {
	var words []string
	for _, e := range c.Events {
		mark := [...]string{">", "<"}[e.From]
		switch e.What {
		case Data, Message:
			words = append(words, mark+string(e.Data))
		case Gap:
			words = append(words, fmt.Sprintf("%sgap%d", mark, e.Size))
		case Urgent:
			words = append(words, mark+"urgent:"+string(e.Data))
		default:
			words = append(words, mark+e.What.String())
		}
	}
	return strings.Join(words, " ")
}

// stream returns all that a side sent.
func stream(c *Conversation, from Side) (b []byte) {
	for _, e := range c.Events {
		if e.From == from && (e.What == Data || e.What == Urgent) {
			b = append(b, e.Data...)
		}
	}
	return b
}

var (
	clientEnd = netip.MustParseAddrPort("10.0.0.1:40000")
	serverEnd = netip.MustParseAddrPort("10.0.0.2:80")
)

func ipv4(from, to netip.Addr, protocol byte, body []byte) []byte {
	b := make([]byte, 20, 20+len(body))
	b[0], b[9] = 0x45, protocol
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	return append(b, body...)
}

func ipv6(from, to netip.Addr, next byte, body []byte) []byte {
	b := make([]byte, 40, 40+len(body))
	b[0], b[6] = 0x60, next
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	return append(b, body...)
}

func ip(from, to netip.Addr, protocol byte, body []byte) []byte {
	if from.Is4() {
		return ipv4(from, to, protocol, body)
	}
	return ipv6(from, to, protocol, body)
}

func tcpBytes(from, to uint16, seq, ack uint32, flags byte, urgent int, data string) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], ack)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[18:], uint16(urgent))
	return append(b, data...)
}

func udpBytes(from, to uint16, data string) []byte {
	b := make([]byte, 8)
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(data)))
	return append(b, data...)
}

func (p *tape) udp(from, to netip.AddrPort, data string) {
	p.packet(ip(from.Addr(), to.Addr(), protoUDP, udpBytes(from.Port(), to.Port(), data)))
}

// A line is a TCP connection that is taped.
type line struct {
	p              *tape
	client, server netip.AddrPort
	zero           [2]uint32 // the sequence numbers of the first bytes
}

func (p *tape) line() *line { return &line{p, clientEnd, serverEnd, [2]uint32{1000, 5000}} }

func (l *line) segment(from Side, pos int64, acked int64, flags byte, data string) []byte {
	a, b := l.client, l.server
	if from == Server {
		a, b = b, a
	}
	return ip(a.Addr(), b.Addr(), protoTCP, tcpBytes(a.Port(), b.Port(), l.zero[from]+uint32(pos), l.zero[from.Other()]+uint32(acked), flags, 0, data))
}

func (l *line) send(from Side, pos, acked int64, flags byte, data string) {
	l.p.packet(l.segment(from, pos, acked, flags, data))
}

// open is the handshake.
func (l *line) open() {
	l.p.packet(ip(l.client.Addr(), l.server.Addr(), protoTCP, tcpBytes(l.client.Port(), l.server.Port(), l.zero[Client]-1, 0, tcpSYN, 0, "")))
	l.p.packet(ip(l.server.Addr(), l.client.Addr(), protoTCP, tcpBytes(l.server.Port(), l.client.Port(), l.zero[Server]-1, l.zero[Client], tcpSYN|tcpACK, 0, "")))
	l.send(Client, 0, 0, tcpACK, "")
}
