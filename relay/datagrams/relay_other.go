//go:build !linux

package datagrams

import (
	"context"

	"zocalo/socket"
)

// supported is false: [TakesNear] has refused every socket.
const supported = false

type engine struct{}

func (*engine) abort()                               {}
func (*engine) appendSessions(a []Session) []Session { return a }

func (r *Relay) serve(context.Context, []*socket.Socket) error {
	return &socket.UnsupportedError{Feature: "relaying datagrams in batches", Needs: "Linux"}
}
