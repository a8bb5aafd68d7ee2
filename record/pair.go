package record

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"zocalo/internal/pcapng"
	"zocalo/process"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Info is what is known of a pair when it begins.
type Info struct {
	Pair int64 // its number, for people; 0 is none

	// Ends are the two that are joined. Package join's A and B are their indexes.
	Ends [2]*socket.Socket

	// Client is the one that came, or for which the other was reached.
	Client outcome.Side

	// Wire says that what is recorded is beneath the layers of an end: the other one is this program.
	Wire bool

	// Peer is the name of the client where its socket has others too.
	Peer socket.Name

	// Texts are what people call the ends; "" is what their sockets say.
	Texts [2]string
}

// A Pair is the recording of one pair: what its two ends sent, as one conversation.
type Pair struct {
	r     *Recorder
	info  Info
	id    int64
	sink  *sink
	iface *netInterface

	messages bool // that have boundaries
	datagram bool
	tpkt     *tpkt // of ISO transport, nil for others
	ways     [2]*way
	inbound  outcome.Side
	process  uint32
	fixtures []*fixture

	// What follows is guarded by the sink's mu.
	secrets *secrets // of TLS, that are to come; nil for none
	begun   bool
	over    bool
	about   []string // comments for the next packet
	packet  pcapng.Packet
}

// Begin begins the recording of a pair. What it returns is never nil, and records nothing
// where the recording has stopped.
func (r *Recorder) Begin(info Info) *Pair {
	p := &Pair{r: r, info: info, id: r.number()}
	if p.info.Pair == 0 {
		p.info.Pair = p.id
	}
	if p.sink = r.sinkOf(p); p.sink == nil {
		return p
	}
	client, server := info.Ends[info.Client], info.Ends[info.Client.Other()]
	d := p.describe(client, server)
	from, to := d.client, d.server
	if from.Addr().Is4() != to.Addr().Is4() {
		from, to = as16(from), as16(to)
	}
	protocol := byte(protocolTCP)
	if p.datagram {
		protocol = protocolUDP
	}
	p.ways[info.Client] = newWay(protocol, from, to)
	p.ways[info.Client.Other()] = newWay(protocol, to, from)
	if !p.datagram && isISO(client, server) {
		p.tpkt = newTPKT(client, server)
	}
	p.about = []string{d.comment}

	s := p.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	p.iface = s.interfaceOf(pcapng.Interface{LinkType: pcapng.LinkRaw, Name: d.at, Description: d.description})
	if len(d.names) > 0 {
		p.fixtures = append(p.fixtures, s.fix(names(d.names...)))
	}
	return p
}

// A description is what is found out of a pair.
type description struct {
	client, server netip.AddrPort
	names          []pcapng.Name
	at             string // the interface
	description    string
	comment        string
}

func as16(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// plain is an address as a packet has it.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// describe finds the addresses of a pair. Of an end that has none on the Internet those
// that the other end has tell as much: who came is where it reached from, and what
// was reached is where it came to. Where neither has any, both are made up.
func (p *Pair) describe(client, server *socket.Socket) (d description) {
	here, came := client.Internet()
	if n := p.info.Peer.AddrPort(); n.IsValid() {
		came = n
	}
	from, there := server.Internet()
	if d.client = came; !isHost(came) {
		d.client = from
	}
	if d.server = there; !isHost(there) {
		d.server = here
	}
	p.datagram = isDatagram(client) || isDatagram(server)
	p.messages = p.datagram || client.Properties().Bounded || server.Properties().Bounded

	p.inbound = p.info.Client
	d.at = nameOf(client, client.Name())
	if client.Domain() == socket.Unspecified || d.at == "" {
		p.inbound = p.info.Client.Other()
		if d.at = nameOf(server, server.Peer()); d.at == "" {
			d.at = nameOf(server, server.Name())
		}
		if d.at == "" {
			d.at = client.Kind().String()
		}
	}
	d.description = "zocalo, " + client.Kind().String() + " and " + server.Kind().String()

	who, texts := p.whoIs(client), [2]string{p.text(p.info.Client, client), p.text(p.info.Client.Other(), server)}
	if who != "" && client.Peer().IsZero() {
		texts[0] = who
	}
	if !isHost(d.client) {
		d.client = clientAt(p.id)
		name := who
		if name == "" {
			name = texts[0]
		}
		d.names = append(d.names, pcapng.Name{Addr: d.client.Addr(), Names: []string{hostName(name, fmt.Sprintf("pair-%d", p.info.Pair))}})
	}
	if !isHost(d.server) {
		name := serverName(client, server, texts[1])
		d.server = p.r.serverAt(name)
		d.names = append(d.names, pcapng.Name{Addr: d.server.Addr(), Names: []string{hostName(name, "server")}})
	}
	d.client, d.server = plain(d.client), plain(d.server)

	kind := client.Kind()
	if kind.Domain == socket.Unspecified {
		kind = server.Kind()
	}
	var b strings.Builder
	word := "pair"
	if p.info.Wire {
		word = "wire" // the pair is not there yet
	}
	fmt.Fprintf(&b, "%s=%d kind=%s client=%s server=%s", word, p.info.Pair, kind, quoted(texts[0]), quoted(texts[1]))
	if n := client.Name(); !n.IsZero() {
		fmt.Fprintf(&b, " at=%s", quoted(n.String()))
	}
	if k := server.Kind(); k != kind && k.Domain != socket.Unspecified {
		fmt.Fprintf(&b, " reached=%s", k)
	}
	if n := server.Name(); !n.IsZero() && n.Domain() != socket.Unix {
		fmt.Fprintf(&b, " from=%s", quoted(n.String()))
	}
	if who != "" {
		fmt.Fprintf(&b, " process=%s", quoted(who))
	}
	if p.messages && !p.datagram {
		b.WriteString(" messages=yes")
	}
	d.comment = b.String()
	return d
}

func isHost(a netip.AddrPort) bool { return a.IsValid() && !a.Addr().IsUnspecified() }

func isDatagram(s *socket.Socket) bool {
	p := s.Properties()
	return p.Bounded && !p.Connected
}

// nameOf is a name with the kind before it, as in "unix:/run/app.sock"; "" for none.
func nameOf(s *socket.Socket, n socket.Name) string {
	if n.IsZero() {
		return ""
	}
	text := n.String()
	if text == "" {
		return ""
	}
	return s.Kind().String() + ":" + text
}

// serverName is what was reached, or what was come to, where neither is on the Internet.
func serverName(client, server *socket.Socket, text string) string {
	for _, name := range []string{nameOf(server, server.Peer()), nameOf(client, client.Name()), text, nameOf(server, server.Name())} {
		if name != "" {
			return name
		}
	}
	return server.Kind().String()
}

// text is what people call an end.
func (p *Pair) text(side outcome.Side, s *socket.Socket) string {
	if text := p.info.Texts[side]; text != "" {
		return text
	}
	n := s.Peer()
	if side == p.info.Client && !p.info.Peer.IsZero() {
		n = p.info.Peer
	}
	if !n.IsZero() {
		return n.String()
	}
	switch {
	case p.info.Wire:
		return "zocalo"
	case s.Domain() == socket.Unspecified:
		return "standard input and output"
	}
	return s.Kind().String()
}

// whoIs names the process at an end, "" where nothing tells.
func (p *Pair) whoIs(s *socket.Socket) string {
	if s.Domain() != socket.Unix || process.IsProgram(s) {
		return ""
	}
	c, err := option.PeerCredentials.Get(s)
	if err != nil || c.PID <= 0 {
		return ""
	}
	p.process = uint32(c.PID)
	if name, err := os.ReadFile("/proc/" + strconv.Itoa(c.PID) + "/comm"); err == nil {
		return fmt.Sprintf("%s[%d]", strings.TrimSpace(string(name)), c.PID)
	}
	return "pid-" + strconv.Itoa(c.PID)
}

// quoted is a value of a comment: in quotes where it has more than a word, or what does not
// print.
func quoted(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f || r > 0x7e }) {
		return strconv.Quote(text)
	}
	return text
}

// maxHostName is the longest name of a host of which Wireshark shows all.
const maxHostName = 63

// hostName makes text what may stand where Wireshark shows names of hosts: of a longer one its
// kind and its end.
func hostName(text, otherwise string) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == 0xfffd {
			return '_'
		}
		return r
	}, text)
	if text == "" {
		return otherwise
	}
	if len(text) <= maxHostName {
		return text
	}
	kind, _, _ := strings.Cut(text, ":")
	kind = kind[:min(len(kind), 20)] + ":..."
	return kind + text[len(text)-maxHostName+len(kind):]
}

// Filter is one for package join that records what the side sends, before it goes on to next.
func (p *Pair) Filter(ctx context.Context, from outcome.Side, next func(join.Piece) error) join.Filter {
	return &filter{p, ctx, from, next}
}

type filter struct {
	p    *Pair
	ctx  context.Context
	from outcome.Side
	next func(join.Piece) error
}

func (f *filter) Pass(piece join.Piece) error {
	f.p.Data(f.ctx, f.from, piece.What, piece.Data)
	return f.next(piece)
}

func (f *filter) End(why error) {
	if why == nil {
		f.p.EndOfFile(f.ctx, f.from)
	}
}

// records reports whether there is something to record into. The caller holds the sink's mu.
func (p *Pair) records() bool { return !p.over && p.sink.failed == nil }

// Data records a piece that a side sent. Where the recording is one that must be whole, it
// waits for room until ctx ends.
func (p *Pair) Data(ctx context.Context, from outcome.Side, what join.What, data []byte) {
	switch {
	case p.sink == nil:
	case p.datagram:
		p.datagramOf(ctx, from, data)
	case p.tpkt != nil:
		p.tpktOf(ctx, from, what, data)
	default:
		p.stream(ctx, from, what, data)
	}
}

func (p *Pair) datagramOf(ctx context.Context, from outcome.Side, data []byte) {
	all := len(data)
	data = data[:min(all, maxDatagram)]
	sum := add(0, data)
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	p.sink.await(ctx, len(data))
	if !p.records() {
		return
	}
	w := p.ways[from]
	h := w.udp(len(data), sum)
	p.packet.Length = len(h) + all
	if all > len(data) {
		p.about = append(p.about, fmt.Sprintf("cut: a message of %d bytes, and a packet of UDP holds %d", all, len(data)))
	}
	p.put(ctx, from, h, data)
	p.packet.Length = 0
}

// stream records bytes, or a message among them: a packet with PSH is the end of one.
func (p *Pair) stream(ctx context.Context, from outcome.Side, what join.What, data []byte) {
	if len(data) == 0 {
		p.sink.mu.Lock()
		p.sink.await(ctx, 0)
		p.about = append(p.about, "an empty message")
		p.segment(ctx, from, flagPSH, 0, nil, nil, 0)
		p.sink.mu.Unlock()
	}
	for len(data) > 0 {
		part := data[:min(len(data), maxSegment)]
		data = data[len(part):]
		flags, urgent := byte(0), uint16(0)
		if len(data) == 0 {
			flags = flagPSH
		}
		if what == join.Urgent {
			flags, urgent = flags|flagURG, uint16(len(part))
		}
		sum := add(0, part)
		p.sink.mu.Lock()
		p.sink.await(ctx, len(part))
		p.segment(ctx, from, flags, urgent, nil, part, sum)
		p.sink.mu.Unlock()
	}
}

// segment records a packet of TCP whose data is head and data, of which sum is that of
// data alone. The caller holds the sink's mu.
func (p *Pair) segment(ctx context.Context, from outcome.Side, flags byte, urgent uint16, head, data []byte, sum uint64) {
	if !p.records() {
		return
	}
	p.shakeHands(ctx)
	w, back := p.ways[from], p.ways[from.Other()]
	if w.ended && len(data) > 0 {
		return // what it sends after its end is nowhere
	}
	back.acked = back.seq
	p.put(ctx, from, w.tcp(flags|flagACK, back.seq, urgent, head, len(data), sum), data)
	if w.seq-w.acked >= ackEvery {
		p.acknowledge(ctx, from)
	}
}

// acknowledge records that the other side has what a side sent. The caller holds the
// sink's mu.
func (p *Pair) acknowledge(ctx context.Context, what outcome.Side) {
	w, back := p.ways[what], p.ways[what.Other()]
	w.acked = w.seq
	p.put(ctx, what.Other(), back.tcp(flagACK, w.seq, 0, nil, 0, 0), nil)
}

// shakeHands records the beginning of a connection, once. The caller holds the sink's mu.
func (p *Pair) shakeHands(ctx context.Context) {
	if p.begun {
		return
	}
	p.begun = true
	c := p.info.Client
	client, server := p.ways[c], p.ways[c.Other()]
	p.put(ctx, c, client.tcp(flagSYN, 0, 0, nil, 0, 0), nil)
	p.put(ctx, c.Other(), server.tcp(flagSYN|flagACK, client.seq, 0, nil, 0, 0), nil)
	client.acked = client.seq
	p.acknowledge(ctx, c.Other())
	if p.tpkt != nil {
		p.tpkt.begin(ctx, p)
	}
}

// put records a packet with what there is to say. The caller holds the sink's mu.
func (p *Pair) put(ctx context.Context, from outcome.Side, header, data []byte) {
	k := &p.packet
	k.Header, k.Data, k.Direction, k.Process = header, data, pcapng.Outbound, 0
	if from == p.inbound {
		k.Direction = pcapng.Inbound
	}
	if from == p.info.Client {
		k.Process = p.process
	}
	k.Comments, p.about = p.about, nil
	if p.secrets != nil && p.secrets.holds(p, k) {
		k.Comments = nil
		return
	}
	p.sink.packet(ctx, p.iface, k)
	k.Header, k.Data, k.Comments = nil, nil, nil
}

// Open records the beginning of a connection ahead of what its sides send.
func (p *Pair) Open(ctx context.Context) {
	if p.sink == nil || p.datagram {
		return
	}
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	p.sink.await(ctx, 0)
	if p.records() {
		p.shakeHands(ctx)
	}
}

// EndOfFile records that a side has finished sending.
func (p *Pair) EndOfFile(ctx context.Context, from outcome.Side) {
	if p.sink == nil || p.datagram {
		return
	}
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	p.sink.await(ctx, 0)
	if p.records() {
		p.finish(ctx, from)
	}
}

// finish records a FIN, once. The caller holds the sink's mu.
func (p *Pair) finish(ctx context.Context, from outcome.Side) {
	p.shakeHands(ctx)
	w, back := p.ways[from], p.ways[from.Other()]
	if w.ended {
		return
	}
	w.ended = true
	back.acked = back.seq
	p.put(ctx, from, w.tcp(flagFIN|flagACK, back.seq, 0, nil, 0, 0), nil)
	p.acknowledge(ctx, from)
}

// Note adds a comment to the next packet of the pair.
func (p *Pair) Note(comment string) {
	if p.sink == nil {
		return
	}
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	if p.records() && len(p.about) < 32 {
		p.about = append(p.about, comment)
	}
}

// lastWait is how long the end of a pair waits for room, in a recording that must be whole.
const lastWait = time.Second

// End records how a pair ended, and forgets it.
func (p *Pair) End(result outcome.Result, err error) {
	if p.sink == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWait)
	defer cancel()
	s := p.sink
	s.mu.Lock()
	s.await(ctx, 0)
	if p.records() {
		p.ends(ctx, result, err)
	}
	p.over = true
	if p.secrets != nil {
		p.secrets.release(p)
	}
	for _, f := range p.fixtures {
		s.unfix(f)
	}
	p.fixtures = nil
	s.mu.Unlock()
	p.forget()
	if p.r.all == nil {
		p.r.mu.Lock()
		_, open := p.r.open[p]
		p.r.mu.Unlock()
		if open {
			p.r.closes(p)
		}
	}
}

// ends records how a pair ended. The caller holds the sink's mu.
func (p *Pair) ends(ctx context.Context, result outcome.Result, err error) {
	if p.datagram {
		return // of which no packet tells
	}
	p.shakeHands(ctx)
	comment := fmt.Sprintf("pair=%d end=%s lasted=%v", p.info.Pair, quoted(result.How.String()), result.Duration.Round(time.Microsecond))
	if err != nil {
		comment += " error=" + quoted(err.Error())
	}
	c := p.info.Client
	if result.How == outcome.Finished {
		p.finish(ctx, c)
		p.finish(ctx, c.Other())
		return
	}
	p.about = append(p.about, comment)
	side := c.Other() // what the relay cuts looks as if the server did
	if result.How == outcome.Reset || result.How == outcome.Failed {
		side = result.Side
	}
	w, back := p.ways[side], p.ways[side.Other()]
	p.put(ctx, side, w.tcp(flagRST|flagACK, back.seq, 0, nil, 0, 0), nil)
}
