// Package file reads the small files that options of layers name: certificates,
// keys and passwords. A wrong name never makes it wait or fill memory.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"zocalo/internal/units"
)

// Most is the largest file that is read, in bytes: the authorities of a whole
// system take a fifth of that.
const Most = 1 << 20

// patience is how long a pipe may take to deliver, as that of cert=<(command).
var patience = 5 * time.Second // a variable for tests

// Read returns the contents of the file at path, which the option names. Its errors
// begin with both.
func Read(option, path string) ([]byte, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", option, path, err)
	}
	return text, nil
}

// CheckSecret warns if every user can read the file at path, which holds a secret.
func CheckSecret(option, path string) {
	info, err := os.Stat(path)
	if err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		slog.Warn("every user of this machine can read this secret: chmod 600 the file", "option", option, "file", path)
	}
}

func read(path string) (text []byte, err error) {
	// Opening a pipe that nobody writes to would wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, Reason(err)
	case info.IsDir():
		return nil, errors.New("it is a directory: name a file in it")
	}
	end := time.Now().Add(patience)
	f.SetReadDeadline(end) // an error on all but pipes and the like, which do not make it wait
	text, err = io.ReadAll(io.LimitReader(f, Most+1))
	for named := isNamedPipe(path); named && err == nil && len(text) == 0; text, err = io.ReadAll(io.LimitReader(f, Most+1)) {
		// Nobody has opened it to write yet, which reads as its end.
		if time.Sleep(min(10*time.Millisecond, patience)); time.Now().After(end) {
			err = os.ErrDeadlineExceeded
			break
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("nothing could be read from it within %s", units.Set(patience))
	case err != nil:
		return nil, Reason(err)
	case len(text) > Most:
		return nil, fmt.Errorf("it has more than %d bytes: is it the right file?", Most)
	}
	return text, nil
}

// isNamedPipe reports whether a path is that of a pipe with a name, and not of a
// descriptor, as that of <(command) in a shell, whose end is one.
func isNamedPipe(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeNamedPipe
}

// Reason is err without the path, which the caller has named.
func Reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
