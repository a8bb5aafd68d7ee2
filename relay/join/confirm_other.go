//go:build !linux

package join

// confirm knows nothing on this system.
func (e *End) confirm() error { return nil }
