package sockstat

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups finds the paths of control groups. The kernel's number of a group is
// the inode of its directory in the cgroup2 file system.
type cgroups struct {
	paths map[uint64]string
}

var errNoCgroups = errors.New("no cgroup2 file system is mounted")

// walkCgroups reads the whole tree once.
func walkCgroups() (*cgroups, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	root, ok := cgroupMount(string(mountinfo))
	if !ok {
		return nil, errNoCgroups
	}
	c := &cgroups{paths: make(map[uint64]string)}
	return c, c.walk(root)
}

// walk reads the groups below a mount point.
func (c *cgroups) walk(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && (path == root || shortage(err) != nil):
			return err
		case err != nil || !entry.IsDir():
			return nil // a group that is gone, or that may not be read
		}
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			group := strings.TrimPrefix(path, root)
			if group == "" {
				group = "/"
			}
			c.paths[st.Ino] = group
		}
		return nil
	})
}

// path gives the path of a group below the mount point, its number where
// it is not in there any more.
func (c *cgroups) path(id uint64) string {
	if path, ok := c.paths[id]; ok {
		return path
	}
	path := "#" + strconv.FormatUint(id, 10)
	if len(c.paths) < 1<<20 {
		c.paths[id] = path
	}
	return path
}

// cgroupMount finds where cgroup2 is mounted (proc_pid_mountinfo(5)).
func cgroupMount(mountinfo string) (string, bool) {
	lines := bufio.NewScanner(strings.NewReader(mountinfo))
	for lines.Scan() {
		left, right, found := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(left)
		if found && strings.HasPrefix(right, "cgroup2 ") && len(fields) >= 5 {
			return unescapeMount(fields[4]), true
		}
	}
	return "", false
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if v, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(v))
				i += 3
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}
