package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"zocalo/codec"
	"zocalo/internal/pcapng"
	"zocalo/socket"
)

// The bounds of what is held of a file, where [Options] do not say.
const (
	DefaultMaxConversation  = 64 << 20 // bytes
	DefaultMaxTotal         = 1 << 30  // bytes
	DefaultMaxConversations = 100_000
)

// maxOpen bounds what is known at once of conversations that are not wanted.
const maxOpen = 1 << 20

// Options say what is wanted of a file. The zero Options want all.
type Options struct {
	// Want, if not nil, says of a conversation whose first packet was seen whether it is
	// wanted. It knows no more than Kind, Type, the names, Interface, Process and Comment.
	Want func(*Conversation) bool

	// NoEvents holds no events, and so almost nothing: for a list of what there is.
	NoEvents bool

	// MaxConversation bounds the bytes that are held of one conversation, which is TooLarge
	// beyond it, and MaxTotal those of all: there Read fails. 0 is the default, negative no
	// bound.
	MaxConversation, MaxTotal int64

	// MaxConversations bounds how many are held; 0 is the default, negative no bound.
	MaxConversations int
}

// A Capture is what a file has.
type Capture struct {
	Conversations []*Conversation // those that were wanted

	Packets int64             // in the file
	Other   int64             // packets that are of no conversation, such as ARP and ICMP
	Lost    int64             // fragments of packets whose others are not in the file
	Dropped int64             // packets that their recorder says it lost
	Unknown []pcapng.LinkType // of interfaces whose packets cannot be read

	// Cut says where the file ends within a block, as that of a recorder that was killed
	// does: all before it counts. nil where it is whole.
	Cut error
}

// emptyMessage is what zocalo/record says of a segment that stands for one.
const emptyMessage = "an empty message"

// cutMessage begins what it says of a datagram of which a packet cannot hold all.
const cutMessage = "cut: "

// key tells TCP connections and UDP's conversations apart.
type key struct {
	protocol byte
	low, up  netip.AddrPort
}

// flow is what any conversation needs while it is put together.
type flow struct {
	c      *Conversation
	r      *reader
	wanted bool
	client netip.AddrPort
	begun  int64 // the number of the packet that began it
	said   about // by its recorder; nil for nothing
}

type conversing interface{ base() *flow }

func (f *flow) base() *flow { return f }

// eventCost is what an event costs besides its data, in bytes.
const eventCost = 64

// event adds an event, whose data is copied.
func (f *flow) event(from Side, e Event) {
	c := f.c
	c.Bytes[from] += int64(len(e.Data))
	if e.What == Data || e.What == Message {
		c.Messages[from]++
	}
	if !f.wanted || f.r.NoEvents || c.TooLarge {
		return
	}
	cost := int64(len(e.Data)) + eventCost
	c.held, f.r.held = c.held+cost, f.r.held+cost
	if c.held > f.r.MaxConversation {
		f.drop()
		return
	}
	e.From, e.Data = from, slices.Clone(e.Data)
	c.Events = append(c.Events, e)
}

// drop drops the events of a conversation that is too large.
func (f *flow) drop() {
	f.r.held -= f.c.held
	f.c.held, f.c.Events, f.c.TooLarge = 0, nil, true
}

// reader reads one file.
type reader struct {
	Options
	*Capture
	file      *pcapng.Reader
	fragments fragments
	open      map[key]conversing
	all       []*flow // in the order in which they began, those not wanted left out
	held      int64
	begun     int       // conversations, wanted or not
	now       time.Time // of the packet that is being read
	iface     *pcapng.Interface
}

// Read reads a file to its end, in pcapng or pcap. A file that is not as it should be is a
// [*pcapng.FormatError], which says where; one that only ends too early is read as far as
// it goes. The end of ctx ends Read, with its error.
func Read(ctx context.Context, from io.Reader, o Options) (*Capture, error) {
	bound := func(v *int64, usual int64) {
		switch {
		case *v == 0:
			*v = usual
		case *v < 0:
			*v = 1<<63 - 1
		}
	}
	bound(&o.MaxConversation, DefaultMaxConversation)
	bound(&o.MaxTotal, DefaultMaxTotal)
	most := int64(o.MaxConversations)
	bound(&most, DefaultMaxConversations)
	r := &reader{Options: o, Capture: new(Capture), open: make(map[key]conversing)}
	var cut *pcapng.FormatError
	file, err := pcapng.NewReader(from)
	for r.file = file; err == nil; {
		var p *pcapng.Packet
		if p, err = file.Next(); err != nil {
			break
		}
		r.packet(p)
		switch {
		case r.held > o.MaxTotal:
			err = fmt.Errorf("the conversations have more than %s in total: choose fewer with a filter", codec.FormatSize(o.MaxTotal))
		case int64(len(r.all)) > most:
			err = fmt.Errorf("it has more than %d conversations: choose fewer with a filter", most)
		case len(r.open) > maxOpen:
			err = fmt.Errorf("it has more than %d conversations, selected or not: split the file with editcap -c", maxOpen)
		case r.Packets%1024 == 0:
			err = ctx.Err()
		}
	}
	switch {
	case err == io.EOF:
	case errors.As(err, &cut) && cut.Cut && file != nil:
		r.Cut = cut
	default:
		return nil, err
	}
	r.finish()
	return r.Capture, nil
}

// finish ends what the file leaves open.
func (r *reader) finish() {
	for _, each := range r.open {
		r.over(each)
	}
	r.Lost = int64(r.fragments.lost + len(r.fragments.waiting))
	slices.SortStableFunc(r.all, func(a, b *flow) int { return int(a.begun - b.begun) })
	for _, f := range r.all {
		c := f.c
		slices.SortStableFunc(c.Events, func(a, b Event) int { return int(min(max(a.At-b.At, -1), 1)) })
		r.Conversations = append(r.Conversations, c)
	}
}

func (r *reader) over(each conversing) {
	if t, is := each.(*tcp); is {
		t.drainAll()
	}
}

// packet takes the next packet of the file.
func (r *reader) packet(p *pcapng.Packet) {
	r.Packets++
	r.Dropped += int64(p.Dropped)
	if !p.Time.IsZero() { // simple packets have none
		r.now = p.Time
	}
	r.iface = r.file.Interface()
	found, ok, known := fromLink(r.iface.LinkType, p.Data)
	if !known && !slices.Contains(r.Unknown, r.iface.LinkType) {
		r.Unknown = append(r.Unknown, r.iface.LinkType)
	}
	if ok {
		var d datagram
		if d, ok = r.fragments.parse(found.data, r.now); ok {
			switch d.protocol {
			case protoTCP:
				ok = r.tcp(p, d)
			case protoUDP:
				ok = r.udp(p, d, found)
			default:
				ok = false
			}
		} else if len(found.data) > 0 { // a fragment, perhaps
			ok = true
		}
	}
	if !ok {
		r.Other++
	}
}

func keyOf(protocol byte, a, b netip.AddrPort) key {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return key{protocol, a, b}
}

// begin begins a conversation.
func (r *reader) begin(p *pcapng.Packet, kind string, t socket.Type, client, server Endpoint) flow {
	r.begun++
	c := &Conversation{Number: r.begun, Kind: kind, Type: t, Client: client, Server: server, Interface: r.iface.Name, Process: p.Process, Began: r.now, Ended: r.now}
	var said about
	if len(p.Comments) > 0 {
		c.Comment = p.Comments[0]
		said = parseAbout(c.Comment)
	}
	f := flow{said: said, c: c, r: r, client: client.Addr, begun: r.Packets}
	said.tell(c)
	f.wanted = r.Want == nil || r.Want(c)
	return f
}

// keep keeps a conversation that has begun, or only that it is not wanted. syn is the sequence
// number of the segment of TCP that began it.
func (r *reader) keep(k key, each conversing, syn uint32) {
	f := each.base()
	if !f.wanted {
		r.open[k] = unwanted{syn}
		return
	}
	r.open[k] = each
	r.all = append(r.all, f)
}

// unwanted stands for a conversation that is not wanted.
type unwanted struct{ syn uint32 }

func (unwanted) base() *flow { return nil }

// seen says that a packet of the conversation came, and returns when since it began.
func (f *flow) seen() time.Duration {
	if f.r.now.After(f.c.Ended) {
		f.c.Ended = f.r.now
	}
	return max(0, f.r.now.Sub(f.c.Began))
}

func (f *flow) side(from netip.AddrPort) Side {
	if from == f.client {
		return Client
	}
	return Server
}

// guess says which of two ends is the server where the beginning is not there to tell: the
// one with a port of services, or else the one that was sent to.
func guess(from, to netip.AddrPort) (client, server netip.AddrPort) {
	const services = 1024
	if from.Port() < services && to.Port() >= services {
		return to, from
	}
	return from, to
}

func (r *reader) tcp(p *pcapng.Packet, d datagram) bool {
	fromPort, toPort, s, ok := parseTCP(d)
	if !ok {
		return false
	}
	from, to := netip.AddrPortFrom(d.from, fromPort), netip.AddrPortFrom(d.to, toPort)
	k := keyOf(protoTCP, from, to)
	begins := s.flags&(tcpSYN|tcpACK) == tcpSYN
	if u, not := r.open[k].(unwanted); not && (!begins || u.syn == s.seq) {
		return true
	}
	t, _ := r.open[k].(*tcp)
	if t != nil && t.another(t.side(from), &s) {
		r.over(t)
		t = nil
	}
	if t == nil {
		client, server := from, to
		switch {
		case s.flags&tcpSYN != 0 && s.flags&tcpACK != 0:
			client, server = to, from
		case s.flags&tcpSYN != 0:
		case len(s.data) == 0 && s.lacks == 0 && s.flags&tcpFIN == 0:
			return true // of one that is over, or silent
		default:
			client, server = guess(from, to)
		}
		t = &tcp{flow: r.begin(p, "tcp", socket.Stream, Endpoint{Addr: client}, Endpoint{Addr: server})}
		if t.c.Bounded() {
			t.messages = &messenger{iso: t.said.isISO()}
		}
		r.keep(k, t, s.seq)
	}
	if t.wanted {
		s.empty = t.messages != nil && len(s.data) == 0 && slices.Contains(p.Comments, emptyMessage)
		t.add(t.side(from), &s, t.seen())
	}
	return true
}
