package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// A Failure is why a destination was not reached, as far as the protocols can say.
type Failure int

// The failures.
const (
	Other Failure = iota
	NotPermitted
	NetworkUnreachable
	HostUnreachable // or an unknown name
	Refused
	TimedOut
	NotSupported
)

// FailureOf classifies an error.
func FailureOf(err error) Failure {
	var unknown *net.DNSError
	is := func(list ...error) bool {
		for _, e := range list {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.EACCES, syscall.EPERM):
		return NotPermitted
	case is(syscall.ECONNREFUSED):
		return Refused
	case is(syscall.ETIMEDOUT, os.ErrDeadlineExceeded, context.DeadlineExceeded):
		return TimedOut
	case is(syscall.ENETUNREACH):
		return NetworkUnreachable
	case is(errors.ErrUnsupported):
		return NotSupported
	case is(syscall.EHOSTUNREACH), errors.As(err, &unknown):
		return HostUnreachable
	}
	return Other
}
