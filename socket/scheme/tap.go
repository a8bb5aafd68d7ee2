package scheme

import (
	"context"

	"zocalo/socket"
)

// A Tap returns a socket to be used in place of one over which layers are about to begin:
// one that sees what passes beneath them. The socket is a stream, and passive if it was accepted; the
// layers are in the order of their beginning. What the tap returns owns it, and changes nothing.
type Tap func(lower *socket.Socket, passive bool, layers []*Layer) *socket.Socket

type tapKey struct{}

// WithTap returns a context for opening addresses, in which tap sees each connection that has
// layers: those that are dialled with it, and those that a listener accepts which was opened
// with it.
func WithTap(ctx context.Context, tap Tap) context.Context {
	return context.WithValue(ctx, tapKey{}, tap)
}

// TapOf returns the tap of a context, nil for none.
func TapOf(ctx context.Context) Tap {
	tap, _ := ctx.Value(tapKey{}).(Tap)
	return tap
}
