package xns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/socket/option"
)

// udpPeers is how many hosts a listening UDP link remembers; udpForget is how
// long after the last packet one may be forgotten for another.
const (
	udpPeers  = 1024
	udpForget = time.Minute
)

// udp carries each IDP packet in a datagram. The side that connects has one
// far end, for every host. The side that listens learns from what arrives
// which host is where. Nothing is authenticated.
type udp struct {
	id     HostID
	s      *socket.Socket
	remote bool // connected
	in     udpTrains
	out    struct {
		sync.Mutex
		train [mostTrain]socket.Message
	}

	mu    sync.RWMutex
	peers map[HostID]*udpPeer
}

type udpPeer struct {
	at   socket.Name
	from socket.PacketInfo // where what is for it leaves, as it was asked
	last time.Time
}

func openUDP(ctx context.Context, id HostID, address string) (Link, error) {
	return openUDPAt(ctx, id, address, true)
}

func openUDPListen(ctx context.Context, id HostID, address string) (Link, error) {
	return openUDPAt(ctx, id, address, false)
}

// openUDPAt connects or binds to the first of the addresses that lets it.
func openUDPAt(ctx context.Context, id HostID, address string, remote bool) (Link, error) {
	names, err := resolveUDP(ctx, address, remote)
	if err != nil {
		return nil, err
	}
	var last error
	for _, n := range names {
		s, err := socket.New(n.Domain(), socket.Datagram, 0)
		if err == nil {
			option.UDPGRO.Set(s, true) // where the system can
			if remote {
				err = s.Connect(ctx, n)
			} else {
				option.AnswerAsAsked(s, n)
				err = s.Bind(n)
			}
			if err == nil {
				return newUDP(id, s, remote), nil
			}
			s.Close()
		}
		last = err
	}
	return nil, last
}

// resolveUDP returns the names that an address means. Without a host it is
// every interface of this machine for a listener, and else loopback.
func resolveUDP(ctx context.Context, address string, remote bool) (names []socket.Name, err error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	switch {
	case host != "":
	case remote:
		host = "127.0.0.1"
	default:
		host = "0.0.0.0"
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, a := range addresses {
		names = append(names, socket.InetName(netip.AddrPortFrom(a.Unmap(), uint16(port))))
	}
	return names, err
}

func newUDP(id HostID, s *socket.Socket, remote bool) *udp {
	u := &udp{id: id, s: s, remote: remote, peers: map[HostID]*udpPeer{}}
	for i := range u.out.train {
		u.out.train[i].Buffers = make([][]byte, 1)
	}
	return u
}

// LocalAddr returns the UDP address.
func (u *udp) LocalAddr() net.Addr { return u.s.LocalAddr() }

func (u *udp) Host() HostID { return u.id }

func (u *udp) ReadFrame(b []byte) (int, error) {
	for {
		packet, err := u.in.next(u)
		if err != nil {
			return 0, err
		}
		if len(packet) <= len(b) {
			return copy(b, packet), nil
		}
	}
}

// readTrain implements trainLink.
func (u *udp) readTrain(bs []*buffer) (n int, err error) {
	for n < len(bs) && (n == 0 || u.in.more()) {
		packet, err := u.in.next(u)
		if err != nil {
			return n, err
		}
		if len(packet) <= MaxPacket {
			bs[n].set(packet)
			bs[n].via = u.in.from
			n++
		}
	}
	return n, nil
}

// expected reports whether a packet is to be handed over, and learns from it
// where its sender is. It looks at a packet of a known sender no further: the
// host does.
func (u *udp) expected(packet []byte, m *socket.Message) bool {
	if len(packet) < HeaderSize {
		return false
	}
	id := HostID(packet[22:28])
	var from socket.PacketInfo
	if m.Ancillary.Present&socket.HasPacketInfo != 0 {
		from = m.Ancillary.PacketInfo.Answer()
	}
	if u.remote || id.isGroup() || u.knows(id, m.Peer, from) {
		return true
	}
	var h Header
	err := h.parse(packet)
	if err == nil {
		return u.learn(id, m.Peer, from)
	}
	return err == ErrChecksum // the host says so
}

// knows reports whether a host is known to be there, since not long ago.
func (u *udp) knows(id HostID, at socket.Name, from socket.PacketInfo) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	p := u.peers[id]
	return p != nil && p.at == at && p.from == from && time.Since(p.last) < udpForget/4
}

// learn remembers where a host is. It returns false if there are too many.
func (u *udp) learn(id HostID, at socket.Name, from socket.PacketInfo) bool {
	now := time.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.peers[id]
	if p == nil {
		if len(u.peers) >= udpPeers && !u.forget(now) {
			return false
		}
		p = new(udpPeer)
		u.peers[id] = p
	}
	p.at, p.from, p.last = at, from, now
	return true
}

// forget makes room. The caller holds mu.
func (u *udp) forget(now time.Time) (any bool) {
	for id, p := range u.peers {
		if now.Sub(p.last) > udpForget {
			delete(u.peers, id)
			any = true
		}
	}
	return any
}

func (u *udp) WriteFrame(to HostID, packet []byte) error {
	one := [1][]byte{packet}
	return u.writeTrain(to, one[:])
}

// writeTrain implements trainLink.
func (u *udp) writeTrain(to HostID, packets [][]byte) error {
	if u.remote {
		return u.send(udpPeer{}, packets)
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	if to.isGroup() {
		for _, p := range u.peers {
			u.send(*p, packets)
		}
		return nil
	}
	p := u.peers[to]
	if p == nil {
		return syscall.EHOSTUNREACH
	}
	return u.send(*p, packets)
}

// send sends packets to one place, the zero udpPeer for the far end of the link.
func (u *udp) send(to udpPeer, packets [][]byte) error {
	u.out.Lock()
	defer u.out.Unlock()
	for len(packets) > 0 {
		n := min(len(packets), mostTrain)
		for i, p := range packets[:n] {
			m := &u.out.train[i]
			m.Buffers[0], m.Peer, m.Ancillary.PacketInfo, m.Ancillary.Present = p, to.at, to.from, 0
			if to.from != (socket.PacketInfo{}) {
				m.Ancillary.Present = socket.HasPacketInfo
			}
		}
		sent, err := u.s.SendBatch(u.out.train[:n])
		for i := range n {
			u.out.train[i].Buffers[0] = nil
		}
		if err != nil {
			return udpError(err)
		}
		packets = packets[sent:]
	}
	return nil
}

// udpError turns the system's errors into those of a link. That nobody has the
// far port, which a packet before this one found out, means that nobody is
// there.
func udpError(err error) error {
	switch {
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, syscall.EMSGSIZE):
		return syscall.EMSGSIZE
	case errors.Is(err, syscall.ENETUNREACH):
		return syscall.ENETUNREACH
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN):
		return nil // lost
	}
	return syscall.EHOSTUNREACH
}

func (u *udp) Close() error { return u.s.Close() }
