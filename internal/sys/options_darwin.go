package sys

import "golang.org/x/sys/unix"

// TCP_KEEPIDLE is what others call TCP_KEEPALIVE here.
const TCP_KEEPIDLE = unix.TCP_KEEPALIVE
