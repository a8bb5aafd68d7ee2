//go:build darwin || freebsd

package sys

// IsSegmentSize reports false: UDP_GRO is Linux's.
func IsSegmentSize(Cmsg) bool { return false }

// SegmentSize has none to return.
func SegmentSize(Cmsg) int { return 0 }

// Release returns "": the release matters on Linux alone.
func Release() string { return "" }
