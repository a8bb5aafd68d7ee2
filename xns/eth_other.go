//go:build !linux

package xns

import (
	"context"

	"zocalo/socket"
)

func openEthernet(context.Context, HostID, string) (Link, error) {
	return nil, &socket.UnsupportedError{Feature: "the link eth", Needs: "Linux, whose AF_PACKET carries frames"}
}
