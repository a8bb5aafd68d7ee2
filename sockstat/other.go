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
