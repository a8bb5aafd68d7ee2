package process

import "zocalo/internal/sys"

// setBlocking clears O_NONBLOCK.
func setBlocking(fd int) error {
	if errno := sys.SetNonblock(fd, false); errno != 0 {
		return errno
	}
	return nil
}
