//go:build unix && !openbsd

package process

import "golang.org/x/sys/unix"

func init() { resources["as"] = unix.RLIMIT_AS }
