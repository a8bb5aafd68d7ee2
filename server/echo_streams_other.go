//go:build !linux

package server

import (
	"context"

	"zocalo/socket"
)

// EchoStreams needs Linux.
func (s *Server) EchoStreams(_ context.Context, _ EchoStreams, listeners ...*socket.Socket) error {
	for _, l := range listeners {
		l.Close()
	}
	return &socket.UnsupportedError{Feature: "an echo by event loops", Needs: "Linux"}
}
