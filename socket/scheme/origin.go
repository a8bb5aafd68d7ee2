package scheme

import (
	"context"

	"zocalo/socket"
)

// An Origin is for whom a connection is made, where that is not who makes it: a
// relay's peer. Layers that tell this to a server find it in their context.
type Origin struct {
	Peer, Local socket.Name // who came, and the name that it came to; zero where it has none
	Facts       []socket.Fact
}

type originKey struct{}

// WithOrigin returns a context in which connections are made for o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns for whom a connection is made; ok is false where that is who
// makes it.
func OriginOf(ctx context.Context) (o Origin, ok bool) {
	o, ok = ctx.Value(originKey{}).(Origin)
	return o, ok
}
