//go:build darwin || freebsd

package sys

// Release returns "": the release matters on Linux alone.
func Release() string { return "" }
