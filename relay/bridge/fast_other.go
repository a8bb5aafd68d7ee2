//go:build !linux

package bridge

import (
	"context"
	"errors"

	"zocalo"
)

// noFast says why this system has no fast path.
const noFast = "needs Linux"

func (r *run) serveFast(context.Context, *zocalo.Listener) error { return errors.ErrUnsupported }
