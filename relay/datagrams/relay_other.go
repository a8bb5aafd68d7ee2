//go:build !linux

package datagrams

import (
	"context"

	"zocalo/socket"
)

// supported is false: [TakesNear] has refused every socket.
const supported = false

type engine struct{}

func (*engine) sessions() []Session { return nil }
func (*engine) become(Limits)       {}

func (r *Relay) serve(context.Context, context.Context, []*socket.Socket) error {
	return &socket.UnsupportedError{Feature: "relaying datagrams in batches", Needs: "Linux"}
}
