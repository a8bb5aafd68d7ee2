package accesslog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zocalo/socket"
)

// A file is where lines are appended.
type file struct {
	path     string
	standard int // 1 or 2 in place of a path
	mu       sync.Mutex
	f        *os.File
}

func newFile(path string) *file {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute // the program may go elsewhere
	}
	return &file{path: path}
}

func (f *file) reopen() error {
	switch f.standard {
	case 1:
		f.f = os.Stdout
	case 2:
		f.f = os.Stderr
	default:
		opened, err := openAppending(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = &socket.HintError{Err: err, Hint: "make the folder first: " + filepath.Dir(f.path)}
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		old := f.f
		f.f = opened
		f.mu.Unlock()
		if old != nil {
			old.Close()
		}
	}
	return nil
}

func (f *file) write(lines []byte) (int, error) {
	n, err := f.f.Write(lines)
	return max(n, 0), err
}

// stop ends a write to a pipe that nobody reads.
func (f *file) stop() {
	if f.standard != 0 {
		return // others write there
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.f.SetWriteDeadline(time.Unix(1, 0))
}

func (f *file) close() {
	if f.standard == 0 {
		f.f.Close()
	}
}

// mode is that of a file that is made: its readers may be a group of their own.
const mode = 0o640
