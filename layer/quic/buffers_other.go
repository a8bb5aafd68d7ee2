//go:build !linux

package quic

import "zocalo/socket"

func forceReceiveBuffer(*socket.Socket, int) {}
func forceSendBuffer(*socket.Socket, int)    {}
