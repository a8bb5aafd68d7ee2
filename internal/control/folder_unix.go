//go:build unix

package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const suffix = ".sock"

var runUser = "/run/user" // a variable for tests

// folders are where sockets of this user may be: where they are made, and where they were
// made if the run-time directory did not exist then, or is not set now.
func folders() []string {
	temporary := filepath.Join(os.TempDir(), "zocalo-"+strconv.Itoa(os.Geteuid()))
	// Another user's, as it is under su and sudo -E, is not trusted: that user could swap
	// the folder within for another at any time.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && private(dir, os.Geteuid()) == nil {
		return []string{filepath.Join(dir, "zocalo"), temporary}
	}
	return []string{temporary}
}

// Folder makes the folder for sockets, if it is not there. It must be this user's and
// nobody else's.
func Folder() (string, error) {
	var errs []error
	for _, dir := range folders() {
		err := os.Mkdir(dir, 0o700)
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = private(dir, os.Geteuid())
		}
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// private refuses a folder that is another's, or that others may write to.
func private(dir string, uid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case !ok || int(s.Uid) != uid:
		return fmt.Errorf("%s belongs to another user", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to other users (%v): chmod 700 it", dir, info.Mode().Perm())
	}
	return nil
}

// A place is a folder with sockets, and whose they are.
type place struct {
	dir string
	uid int
}

// places are where to look: this user's folders, and for root those of all users.
func places() (list []place) {
	for _, dir := range folders() {
		list = append(list, place{dir, os.Geteuid()})
	}
	// What was begun with a run-time directory may be looked for without, as by sudo.
	own := filepath.Join(runUser, strconv.Itoa(os.Geteuid()))
	if p := (place{filepath.Join(own, "zocalo"), os.Geteuid()}); !slices.Contains(list, p) && private(own, p.uid) == nil {
		list = append(list, p)
	}
	if os.Geteuid() != 0 {
		return list
	}
	for _, pattern := range []string{filepath.Join(runUser, "*", "zocalo"), filepath.Join(os.TempDir(), "zocalo-*")} {
		found, _ := filepath.Glob(pattern) // the patterns are good
		for _, dir := range found {
			number := strings.TrimPrefix(filepath.Base(dir), "zocalo-")
			if number == "zocalo" {
				number = filepath.Base(filepath.Dir(dir))
			}
			if uid, err := strconv.Atoi(number); err == nil && uid != 0 && strconv.Itoa(uid) == number {
				list = append(list, place{dir, uid})
			}
		}
	}
	return list
}

// isOurs are the names that sockets get: others that somebody puts there are not touched.
var isOurs = regexp.MustCompile(`^[1-9][0-9]*-[0-9a-f]{8}\.sock$`)

// sockets are the sockets of a place, none where it is not the user's alone.
func (p place) sockets() (paths []string) {
	if private(p.dir, p.uid) != nil {
		return nil
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Type() == fs.ModeSocket && isOurs.MatchString(e.Name()) && len(paths) < mostServers {
			paths = append(paths, filepath.Join(p.dir, e.Name()))
		}
	}
	return paths
}
