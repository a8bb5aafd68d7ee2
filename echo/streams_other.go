//go:build !linux

package echo

import (
	"context"

	"zocalo/server"
	"zocalo/socket"
)

// Streams needs Linux.
func Streams(_ context.Context, _ *server.Server, _ StreamOptions, listeners ...*socket.Socket) error {
	for _, l := range listeners {
		l.Close()
	}
	return &socket.UnsupportedError{Feature: "an echo by event loops", Needs: "Linux"}
}
