//go:build unix && !linux

package process

import (
	"math"
	"syscall"
)

// setrlimit sets a limit; no limit at all is the greatest signed number here.
func setrlimit(resource int, soft, hard uint64) error {
	var l syscall.Rlimit
	setAmount(&l.Cur, soft)
	setAmount(&l.Max, hard)
	return syscall.Setrlimit(resource, &l)
}

// hardLimit returns this process's own hard limit.
func hardLimit(resource int) (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(resource, &l); err != nil {
		return 0, err
	}
	most := uint64(l.Max)
	if most >= math.MaxInt64 {
		most = Unlimited
	}
	return most, nil
}

func setAmount[T int64 | uint64](to *T, n uint64) { *to = T(min(n, math.MaxInt64)) }
