package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// executable is this executable, also where its file was replaced meanwhile.
func executable() (string, error) { return "/proc/self/exe", nil }

// dieWith makes the kernel kill this process with its parent once more: a
// change of the user has undone that, see PR_SET_PDEATHSIG.
func dieWith(parent int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if os.Getppid() != parent {
		return os.ErrProcessDone // the parent was faster
	}
	return nil
}
