package sockstat

import (
	"context"
	"errors"
	"iter"
)

// ErrNotDestroyable is in the error of a socket that the kernel cannot close from outside. Its
// process can.
var ErrNotDestroyable = errors.New("not supported")

// Destroy has the kernel close sockets under the programs that hold them (SOCK_DESTROY), and yields what came of each:
// nil where it is closed, or has gone by itself. The program is told by its next call; a TCP peer gets a
// reset. Only TCP and UDP sockets can be closed so, on kernels with CONFIG_INET_DIAG_DESTROY
// (Linux 4.5), with CAP_NET_ADMIN; the error of others matches [ErrNotDestroyable].
//
// The sockets are those that [Sockets] yielded, cloned, in the namespace they say (Netns). It is they, by their
// cookies, that are closed, not others that have taken their names since.
func Destroy(ctx context.Context, list []*Socket) iter.Seq2[*Socket, error] {
	return func(yield func(*Socket, error) bool) { destroy(ctx, list, yield) }
}
