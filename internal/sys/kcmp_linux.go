package sys

import "golang.org/x/sys/unix"

// SameFiles reports whether two tasks share one descriptor table. Where the
// kernel does not tell they are taken to.
func SameFiles(a, b int) bool {
	const files = 2 // KCMP_FILES
	order, _, errno := unix.RawSyscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), files, 0, 0, 0)
	return errno != 0 || order == 0
}
