package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zocalo/internal/control"
)

// suffix marks the sockets that [Path] names.
const suffix = ".admin"

// Path is where the admin socket of this process is where nobody says otherwise: in a
// folder that is this user's alone, which is made.
func Path() (string, error) {
	dir, err := control.Folder()
	return filepath.Join(dir, strconv.Itoa(os.Getpid())+suffix), err
}

// Find returns the admin sockets of this user's processes that answer, at the places that
// Path names. Those that dead processes left behind it removes.
func Find(ctx context.Context) (paths []string, err error) {
	dir, err := control.Folder()
	if err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	for _, path := range found {
		var d net.Dialer
		each, cancel := context.WithTimeout(ctx, time.Second)
		c, err := d.DialContext(each, "unix", path)
		cancel()
		switch {
		case err == nil:
			c.Close()
			paths = append(paths, path)
		case isGone(path):
			os.Remove(path)
		}
	}
	return paths, err
}

// isGone reports whether the process that made a socket is over.
func isGone(path string) bool {
	pid, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), suffix))
	return err == nil && control.IsGone(pid)
}

// Listen makes a unix socket of mode 0600. One that a dead process left behind is replaced;
// one that answers is an error that is [fs.ErrExist].
func Listen(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if info, statErr := os.Lstat(path); err != nil && statErr == nil && info.Mode().Type() == fs.ModeSocket {
		c, dialErr := net.DialTimeout("unix", path, time.Second)
		if dialErr == nil {
			c.Close()
		}
		if dialErr == nil || errors.Is(dialErr, syscall.EAGAIN) { // or its queue is full
			return nil, fmt.Errorf("%s: %w: another process is answering there", path, fs.ErrExist)
		}
		os.Remove(path) // or the next line says why not
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
