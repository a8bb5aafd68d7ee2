package admin

import (
	"context"
	"net/netip"

	"zocalo/sockstat"
)

// Explain says what the kernel's figures tell of the TCP connection that a pair's peer
// came over, as `zocalo list --explain` does; nil for what is none, and for one that the
// kernel does not show. It fits [Controls].
func Explain(ctx context.Context, _ string, p Pair) (sentences []string) {
	peer, err := netip.ParseAddrPort(p.Peer)
	if err != nil {
		return nil
	}
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	q := sockstat.Query{
		Kinds:   []sockstat.Kind{sockstat.TCP, sockstat.MPTCP},
		Details: sockstat.TCPInfos | sockstat.Memories, FoldSubflows: true,
		Want: func(s *sockstat.Socket) bool {
			return netip.AddrPortFrom(s.Peer.Addr.Addr().Unmap(), s.Peer.Addr.Port()) == peer
		},
	}
	for s, err := range sockstat.Sockets(ctx, q) {
		if err != nil {
			return sentences
		}
		for _, said := range sockstat.Explain(sockstat.Observation{Socket: s}) {
			sentences = append(sentences, said.Text)
		}
		return sentences
	}
	return nil
}
