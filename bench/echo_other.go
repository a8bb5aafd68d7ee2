//go:build !linux

package bench

import (
	"context"

	"zocalo/socket"
)

func (s *Server) echoWaiting(context.Context, *socket.Socket) (handled bool, err error) {
	return false, nil
}
