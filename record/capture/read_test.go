package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"zocalo/internal/pcapng"
	"zocalo/socket"
)

func ethernet(ether uint16, tags ...uint16) func([]byte) []byte {
	return func(ip []byte) []byte {
		b := make([]byte, 12)
		for _, tag := range tags {
			b = binary.BigEndian.AppendUint16(b, tag)
			b = append(b, 0, 7)
		}
		return append(binary.BigEndian.AppendUint16(b, ether), ip...)
	}
}

func TestLinks(t *testing.T) {
	before := func(hex ...byte) func([]byte) []byte {
		return func(ip []byte) []byte { return append(append([]byte(nil), hex...), ip...) }
	}
	for name, test := range map[string]struct {
		link pcapng.LinkType
		wrap func([]byte) []byte
	}{
		"ethernet":          {pcapng.LinkEthernet, ethernet(etherIPv4)},
		"vlan":              {pcapng.LinkEthernet, ethernet(etherIPv4, etherVLAN)},
		"two vlans":         {pcapng.LinkEthernet, ethernet(etherIPv4, etherQinQ, etherVLAN)},
		"raw":               {pcapng.LinkRaw, nil},
		"raw of other name": {12, nil},
		"ipv4":              {pcapng.LinkIPv4, nil},
		"null":              {pcapng.LinkNull, before(2, 0, 0, 0)},
		"null, big-endian":  {pcapng.LinkNull, before(0, 0, 0, 2)},
		"loop":              {pcapng.LinkLoop, before(0, 0, 0, 2)},
		"cooked":            {pcapng.LinkLinuxSLL, before(0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0)},
		"cooked 2":          {pcapng.LinkLinuxSLL2, before(8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0)},
	} {
		p := newTape(t, test.link, test.wrap)
		p.udp(clientEnd, serverEnd, "hello")
		p.udp(serverEnd, clientEnd, "")
		c := p.read(Options{})
		if len(c.Conversations) != 1 || script(c.Conversations[0]) != ">hello <" || c.Conversations[0].Type != socket.Datagram {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A capture of all interfaces sees what passes lo twice.
func TestDatagramsSeenTwice(t *testing.T) {
	way := byte(4)
	p := newTape(t, pcapng.LinkLinuxSLL, func(ip []byte) []byte {
		return append([]byte{0, way, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, ip...)
	})
	for range 2 { // the same datagram twice
		for _, way = range []byte{4, 0} {
			p.udp(clientEnd, serverEnd, "hello")
		}
	}
	if c := p.read(Options{}).Conversations[0]; script(c) != ">hello >hello" || c.Retransmitted != 2 {
		t.Errorf("%s", script(c))
	}
}

// Fragments of any order, twice and overlapping make the datagram.
func TestFragments(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		data := make([]byte, 16+random.IntN(3000))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		body := udpBytes(clientEnd.Port(), serverEnd.Port(), string(data))
		v6 := seed%2 == 1
		from, to := clientEnd.Addr(), serverEnd.Addr()
		if v6 {
			from, to = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
		}
		fragment := func(at, end int) []byte {
			more := end < len(body)
			if v6 {
				cut := uint16(at)
				if more {
					cut |= 1
				}
				head := append([]byte{protoUDP, 0}, byte(cut>>8), byte(cut), 0, 0, 1, byte(seed))
				return ipv6(from, to, protoFragment, append(head, body[at:end]...))
			}
			b := ipv4(from, to, protoUDP, body[at:end])
			cut := uint16(at / 8)
			if more {
				cut |= 0x2000
			}
			binary.BigEndian.PutUint16(b[6:], cut)
			b[5] = byte(seed)
			return b
		}
		var all [][]byte
		for at := 0; at < len(body); {
			end := min(len(body), at+8+8*random.IntN(60))
			all = append(all, fragment(at, end))
			at = end
		}
		for range random.IntN(4) {
			at := 8 * random.IntN(len(body)/8)
			all = append(all, fragment(at, min(len(body), at+8*(1+random.IntN(40)))))
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		p := newTape(t, pcapng.LinkRaw, nil)
		for _, b := range all {
			p.packet(b)
		}
		c := p.read(Options{})
		if len(c.Conversations) == 0 || !bytes.Equal(c.Conversations[0].Events[0].Data, data) {
			t.Fatalf("seed %d: %d fragments did not come together", seed, len(all))
		}
	}
}

func TestExtensionHeaders(t *testing.T) {
	p := newTape(t, pcapng.LinkRaw, nil)
	body := udpBytes(clientEnd.Port(), serverEnd.Port(), "hello")
	head := append([]byte{protoDestination, 0, 1, 4, 0, 0, 0, 0}, []byte{protoUDP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}...)
	p.packet(ipv6(netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), protoHopByHop, append(head, body...)))
	if c := p.read(Options{}); len(c.Conversations) != 1 || script(c.Conversations[0]) != ">hello" {
		t.Errorf("%+v", c)
	}
}

func TestWhatIsHeldIsBounded(t *testing.T) {
	p := newTape(t, pcapng.LinkRaw, nil)
	l := p.line()
	l.open()
	for i := range int64(100) {
		l.send(Client, i*1000, 0, dataFlags, strings.Repeat("x", 1000))
	}
	p.udp(clientEnd, serverEnd, "small")
	c := p.read(Options{MaxConversation: 50_000})
	if big := c.Conversations[0]; !big.TooLarge || big.Events != nil || big.Bytes[Client] != 100_000 || c.Conversations[1].TooLarge {
		t.Errorf("%+v", big)
	}
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{MaxTotal: 50_000}, "the conversations have more than 50000 in total: choose fewer with a filter"},
		{Options{MaxConversations: 1}, "it has more than 1 conversations: choose fewer with a filter"},
	} {
		_, err := Read(context.Background(), bytes.NewReader(p.file.Bytes()), test.o)
		if err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	list := p.read(Options{NoEvents: true, MaxTotal: 1})
	if len(list.Conversations) != 2 || list.Conversations[0].Bytes[Client] != 100_000 {
		t.Error("a list holds no events and is not complete")
	}
	only := p.read(Options{Want: func(c *Conversation) bool { return c.Kind == "udp" }})
	if len(only.Conversations) != 1 || script(only.Conversations[0]) != ">small" || only.Conversations[0].Number != 2 {
		t.Errorf("%+v", only)
	}
}

func TestFileCutOff(t *testing.T) {
	p := newTape(t, pcapng.LinkRaw, nil)
	p.udp(clientEnd, serverEnd, "one")
	p.udp(clientEnd, serverEnd, "two")
	file := p.file.Bytes()
	c, err := Read(context.Background(), bytes.NewReader(file[:len(file)-5]), Options{})
	var cut *pcapng.FormatError
	if err != nil || !errors.As(c.Cut, &cut) || script(c.Conversations[0]) != ">one" {
		t.Errorf("%v %+v", err, c)
	}
}

func FuzzPackets(f *testing.F) {
	p := newTape(f, pcapng.LinkRaw, nil)
	l := p.line()
	f.Add(uint16(pcapng.LinkRaw), l.segment(Client, 0, 0, dataFlags, "abc"), l.segment(Server, 0, 3, dataFlags|tcpFIN, "abc"))
	f.Add(uint16(pcapng.LinkEthernet), ethernet(etherIPv4)(ipv4(clientEnd.Addr(), serverEnd.Addr(), protoUDP, udpBytes(1, 2, "x"))), []byte{})
	f.Add(uint16(pcapng.LinkRaw), ipv6(netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), protoFragment, []byte{17, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8}), []byte{})
	f.Fuzz(func(t *testing.T, link uint16, one, two []byte) {
		p := newTape(t, pcapng.LinkType(link), nil)
		for _, b := range [][]byte{one, two, two, one} {
			if len(b) < 1<<16 {
				p.packet(b)
			}
		}
		for _, c := range p.read(Options{}).Conversations {
			if c.Bytes[Client]+c.Bytes[Server] > int64(4*(len(one)+len(two))) || c.Missing < 0 {
				t.Errorf("more came out than went in: %+v", c)
			}
		}
	})
}

// What a recorder says of messages, and what is within them, is anybody's.
func FuzzMessages(f *testing.F) {
	f.Add("pair=1 kind=iso client=a server=\"b c\" messages=yes", "\x03\x00\x00\x09\x02\xf0\x80ab", "\x03\x00\x00\x08\x02\xf0\x00c", uint8(3))
	f.Add("pair=1 kind=unix-seqpacket messages=yes", "one", "two", uint8(1))
	f.Fuzz(func(t *testing.T, comment, one, two string, flags uint8) {
		p := newTape(t, pcapng.LinkRaw, nil)
		l := p.line()
		p.comments = []string{comment, emptyMessage}
		pos := int64(0)
		for _, data := range []string{one, "", two} {
			if len(data) > 60000 {
				return
			}
			l.send(Client, pos, 0, flags|tcpACK, data)
			pos += int64(len(data))
		}
		for _, c := range p.read(Options{}).Conversations {
			if c.Bytes[Client] > pos {
				t.Errorf("more came out than went in: %+v", c)
			}
		}
	})
}

func TestWhatARecorderSays(t *testing.T) {
	p := newTape(t, pcapng.LinkRaw, nil)
	l := p.line()
	l.client, l.server = netip.MustParseAddrPort("241.0.0.1:49152"), netip.MustParseAddrPort("240.0.0.1:514")
	p.comments = []string{`pair=3 kind=unix-seqpacket client="an unnamed peer" server=/run/app.sock process=app[12] messages=yes`}
	l.open()
	p.comments = nil
	l.send(Client, 0, 0, tcpACK, "a lo")
	l.send(Client, 4, 0, dataFlags, "ng one")
	p.comments = []string{emptyMessage}
	l.send(Client, 10, 0, dataFlags, "")
	p.comments = nil
	l.send(Client, 12, 0, dataFlags, "lost before it")
	l.send(Client, 26, 0, dataFlags, "last")
	c := p.read(Options{}).Conversations[0]
	if s := script(c); s != ">a long one > >gap1 >last" {
		t.Error(s)
	}
	if c.Kind != "unix-seqpacket" || c.Type != socket.SeqPacket || c.Client.String() != "an unnamed peer" || c.Server.String() != "/run/app.sock" || c.ProcessName != "app" {
		t.Errorf("%+v", c)
	}
}

// Files that follow each other, as those of a recording that rotates, are one.
func TestFilesFollowEachOther(t *testing.T) {
	one, two := newTape(t, pcapng.LinkRaw, nil), newTape(t, pcapng.LinkEthernet, ethernet(etherIPv4))
	l := one.line()
	l.open()
	l.send(Client, 0, 0, dataFlags, "in one ")
	l.p = two
	l.send(Client, 7, 0, dataFlags, "in two")
	one.file.Write(two.file.Bytes())
	if c := one.read(Options{}); len(c.Conversations) != 1 || string(stream(c.Conversations[0], Client)) != "in one in two" {
		t.Errorf("%+v", c)
	}
}
