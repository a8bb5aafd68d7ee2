package sys

// Options that this system lacks: -1, which it refuses.
const (
	soNoSIGPIPE   = -1
	TCP_KEEPIDLE  = -1
	TCP_KEEPINTVL = -1
	TCP_KEEPCNT   = -1
)
