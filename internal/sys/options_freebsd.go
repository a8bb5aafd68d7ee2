package sys

import "golang.org/x/sys/unix"

// TCP_KEEPIDLE is the idle time before the first probe.
const TCP_KEEPIDLE = unix.TCP_KEEPIDLE
