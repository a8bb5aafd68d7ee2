package xns

import (
	"context"

	"zocalo/socket"
)

func openEthernet(context.Context, HostID, string) (Link, error) {
	return nil, &socket.UnsupportedError{Feature: "an Ethernet link", Needs: "a Unix system"}
}

func openLocal(context.Context, HostID, string) (Link, error) {
	return nil, &socket.UnsupportedError{Feature: "the link between processes", Needs: "a Unix system"}
}
