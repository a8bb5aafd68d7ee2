//go:build unix

package accesslog

import (
	"io/fs"
	"os"
	"syscall"
)

// openAppending opens a file. A pipe is opened to read too: it needs no reader then, and writing
// waits while it is full, so that a reader may come and go.
func openAppending(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
}
