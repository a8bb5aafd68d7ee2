package proxyproto

import (
	"context"

	"zocalo/layer/internal/prefix"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// A client sends headers of a version.
type client string

// begin sends the names of the peer that the connection is made for or, if there is none,
// the connection's own.
func (c client) begin(ctx context.Context, s *socket.Socket) (*socket.Socket, error) {
	h := header{told: true, peer: s.Name(), local: s.Peer()}
	if o, ok := scheme.OriginOf(ctx); ok {
		h.peer, h.local, h.facts = o.Peer, o.Local, o.Facts
	}
	var b []byte
	if c == version1 {
		b = h.append1(b)
	} else {
		b = h.append2(b)
	}
	return s, prefix.Within(ctx, s, func() error {
		_, err := s.Write(b)
		return err
	})
}
