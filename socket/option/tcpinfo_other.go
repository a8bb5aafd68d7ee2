//go:build !linux

package option

import "zocalo/socket"

func tcpInfo(socket.Endpoint) (TCPInfo, error) {
	return TCPInfo{}, &socket.UnsupportedError{Feature: "TCP_INFO", Needs: "Linux"}
}
