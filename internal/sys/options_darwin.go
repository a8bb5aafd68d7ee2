package sys

import "golang.org/x/sys/unix"

// Options that not every BSD system has.
const (
	soNoSIGPIPE   = unix.SO_NOSIGPIPE
	TCP_KEEPIDLE  = unix.TCP_KEEPALIVE
	TCP_KEEPINTVL = unix.TCP_KEEPINTVL
	TCP_KEEPCNT   = unix.TCP_KEEPCNT
)
