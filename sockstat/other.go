//go:build !linux

package sockstat

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func list(context.Context, *Query, func(*Socket) bool) error {
	return fmt.Errorf("list sockets on %s: %w: only Linux has sock_diag", runtime.GOOS, errors.ErrUnsupported)
}

// NetnsNames lists the network namespaces that have a name: none, where there are no namespaces.
func NetnsNames() []string { return nil }

type closings struct{}

func (closings) open(context.Context, Query) error {
	return fmt.Errorf("hear of closed sockets on %s: %w: only Linux tells", runtime.GOOS, errors.ErrUnsupported)
}
func (closings) next() (*Socket, error) { return nil, errors.ErrUnsupported }
func (closings) close()                 {}

func destroy(_ context.Context, list []*Socket, each func(*Socket, error) bool) {
	for _, s := range list {
		if !each(s, fmt.Errorf("%w on %s", ErrNotDestroyable, runtime.GOOS)) {
			return
		}
	}
}

func programCompleter(Details) func(*Socket) { return func(*Socket) {} }
