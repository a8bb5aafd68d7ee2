//go:build !linux

package socket

func tcpInfo(Endpoint) (TCPInfo, error) {
	return TCPInfo{}, &UnsupportedError{Feature: "TCP_INFO", Needs: "Linux"}
}
