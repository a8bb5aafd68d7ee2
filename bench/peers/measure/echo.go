package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sockperfHeader is the length of what sockperf's messages begin with: a
// number of 8 bytes, flags of 2 and the message's length in 4.
const sockperfHeader = 14

// answer makes of a request of sockperf the answer that it takes, by the bit
// that says who sent it; anything else stays as it is.
func answer(b []byte) {
	if len(b) >= sockperfHeader && b[8] == 0 && b[9] == 3 && int(binary.BigEndian.Uint32(b[10:])) == len(b) {
		b[9] &^= 1
	}
}

// echo is a server that both clients know as theirs, on one path: it waits in
// the system for one connection, or for any datagram, and answers.
func echo(network string, port uint16) error {
	kind := unix.SOCK_STREAM
	if network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: netip.MustParseAddr("127.0.0.1").As4()}); err != nil {
		return fmt.Errorf("port %d: %w", port, err)
	}
	b := make([]byte, 64<<10)
	if network == "udp" {
		for {
			n, from, err := unix.Recvfrom(fd, b, 0)
			if err != nil {
				continue
			}
			answer(b[:n])
			unix.Sendto(fd, b[:n], 0, from)
		}
	}
	if err := unix.Listen(fd, 8); err != nil {
		return err
	}
	for {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			return err
		}
		for {
			n, err := unix.Read(c, b)
			if err != nil || n == 0 {
				break
			}
			answer(b[:n])
			if _, err := unix.Write(c, b[:n]); err != nil {
				break
			}
		}
		unix.Close(c)
	}
}
