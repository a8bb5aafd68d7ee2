//go:build linux && !ppc64 && !ppc64le

package sys

import "golang.org/x/sys/unix"

const setAnySpeed = unix.TCSETS2
