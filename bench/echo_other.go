//go:build !linux

package bench

import (
	"context"

	"zocalo/socket"
)

// An echoLoop is Linux's.
type echoLoop struct{}

func (s *Server) echoFast(context.Context, *socket.Socket) (handled bool, err error) {
	return false, nil
}
