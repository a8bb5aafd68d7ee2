package sockstat

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"sort"
)

// peers finds the other end of a connection inside this host: the inode of
// a TCP socket whose names are ours the other way round, and the name of a unix
// socket.
type peers struct {
	seed  maphash.Seed
	inet  []inetEnd // by key
	unix  []unixEnd // by inode
	names []Name    // of unix
}

// An inetEnd is a socket by the hash of its kind and names. The seed is random, so
// that nobody can choose names whose hashes collide.
type inetEnd struct {
	key   uint64
	inode uint32
}

type unixEnd struct {
	inode uint32
	name  uint32 // an index
}

// key hashes a connection as its end with these names sees it. An IPv4-mapped address
// hashes as IPv4.
func (p *peers) key(k Kind, local, peer netip.AddrPort) uint64 {
	var b [37]byte
	l, r := local.Addr().As16(), peer.Addr().As16()
	copy(b[:], l[:])
	copy(b[16:], r[:])
	binary.BigEndian.PutUint16(b[32:], local.Port())
	binary.BigEndian.PutUint16(b[34:], peer.Port())
	b[36] = byte(k)
	return maphash.Bytes(p.seed, b[:])
}

// inode finds the socket at the other end of s, 0 where it is not on this host.
func (p *peers) inode(s *Socket) uint32 {
	key := p.key(s.Kind, s.Peer.Addr, s.Local.Addr)
	i := sort.Search(len(p.inet), func(i int) bool { return p.inet[i].key >= key })
	if i < len(p.inet) && p.inet[i].key == key {
		return p.inet[i].inode
	}
	return 0
}

// name finds the name of the unix socket with this inode.
func (p *peers) name(inode uint32) Name {
	i := sort.Search(len(p.unix), func(i int) bool { return p.unix[i].inode >= inode })
	if i < len(p.unix) && p.unix[i].inode == inode {
		return p.names[p.unix[i].name]
	}
	return Name{}
}

// peerStates are the states of TCP sockets that have a peer and a descriptor.
const peerStates = 1<<Established | 1<<FinWait1 | 1<<FinWait2 | 1<<CloseWait | 1<<LastAck | 1<<Closing | 1<<SynSent

// collectPeers reads the sockets that may be the other end of one of the kinds.
func (l *lister) collectPeers(ctx context.Context, kinds uint32) (*peers, error) {
	p := &peers{seed: maphash.MakeSeed()}
	if kinds&(1<<TCP|1<<MPTCP) != 0 && l.q.Details&Peers != 0 {
		local, err := localAddresses(l.ns)
		if err != nil {
			return nil, err
		}
		filter := toAddresses(local)
		for _, k := range [...]Kind{TCP, MPTCP} {
			for _, family := range families(k) {
				if kinds&(1<<k) == 0 {
					continue
				}
				err := l.collectInet(ctx, p, k, inetRequest(k, family, peerStates, 0, filter), local)
				if err != nil && !refused(err) { // a kind that is refused has no peers to be found
					return nil, err
				}
			}
		}
		slices.SortFunc(p.inet, func(a, b inetEnd) int { return cmp.Compare(a.key, b.key) })
	}
	if kinds&(1<<Unix) != 0 {
		if err := l.collectUnix(ctx, p); err != nil && !refused(err) {
			return nil, err
		}
	}
	return p, nil
}

// toAddresses is the program that accepts sockets whose peer has one of the addresses, nil
// for so many that testing each socket against them would not pay.
func toAddresses(local map[netip.Addr]bool) program {
	const most = 64
	if len(local) > most {
		return nil
	}
	conditions := []condition{
		{end: peerEnd, prefix: netip.MustParsePrefix("127.0.0.0/8")},
		{end: peerEnd, prefix: netip.MustParsePrefix("::1/128")},
	}
	for a := range local {
		if !a.IsLoopback() {
			conditions = append(conditions, condition{end: peerEnd, prefix: netip.PrefixFrom(a, a.BitLen())})
		}
	}
	return anyOf(conditions)
}

func (l *lister) collectInet(ctx context.Context, p *peers, k Kind, request []byte, local map[netip.Addr]bool) error {
	return l.dump(ctx, k, request, func(body []byte) error {
		s := &l.socket
		s.reset()
		if err := l.parser.inetHeader(body, k, s); err != nil {
			return err
		}
		if to := s.Peer.Addr.Addr().Unmap(); s.Inode != 0 && (to.IsLoopback() || local[to]) {
			p.inet = append(p.inet, inetEnd{p.key(k, s.Local.Addr, s.Peer.Addr), s.Inode})
		}
		return nil
	})
}

func (l *lister) collectUnix(ctx context.Context, p *peers) error {
	index := make(map[Name]uint32)
	err := l.dump(ctx, Unix, unixRequest(^uint32(0), unixShowName), func(body []byte) error {
		s := &l.socket
		if err := l.parser.unix(body, s); err != nil {
			return err
		}
		if s.Local == (Name{}) {
			return nil
		}
		i, ok := index[s.Local]
		if !ok {
			i = uint32(len(p.names))
			index[s.Local] = i
			p.names = append(p.names, s.Local)
		}
		p.unix = append(p.unix, unixEnd{s.Inode, i})
		return nil
	})
	slices.SortFunc(p.unix, func(a, b unixEnd) int { return cmp.Compare(a.inode, b.inode) })
	return err
}
