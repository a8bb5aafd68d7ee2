package sockstat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// A netns is one network namespace of this host.
type netns struct {
	name string // that Query.Netns takes
	path string
	id   netnsID
}

// A netnsID is the kernel's name of a namespace: device and inode of its file.
type netnsID struct{ dev, ino uint64 }

// findNetns lists the network namespaces that have a name in names, or a process or a thread in
// proc, each once. hidden says how many processes this user may not look into.
func findNetns(ctx context.Context, names, proc string) (list []netns, hidden int, err error) {
	known := make(map[netnsID]bool)
	add := func(path, name string) error {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return err
		}
		id := netnsID{st.Dev, st.Ino}
		if !known[id] {
			known[id] = true
			list = append(list, netns{name, path, id})
		}
		return nil
	}
	entries, err := os.ReadDir(names)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("look for network namespaces: %w", err)
	}
	for _, e := range entries {
		// A file that is no namespace any more is what a name leaves behind whose namespace was unmounted.
		path := filepath.Join(names, e.Name())
		var on unix.Statfs_t
		if unix.Statfs(path, &on) == nil && on.Type == unix.NSFS_MAGIC {
			_ = add(path, e.Name())
		}
	}
	pids, err := numberedIn(proc)
	if err != nil {
		return nil, 0, fmt.Errorf("look for processes: %w", err)
	}
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		process := filepath.Join(proc, strconv.Itoa(pid))
		if errors.Is(add(process+"/ns/net", strconv.Itoa(pid)), fs.ErrPermission) {
			hidden++
			continue
		}
		// A folder has a link for each folder in it, and two of its own.
		var st unix.Stat_t
		if unix.Stat(process+"/task", &st) != nil || st.Nlink <= 3 {
			continue
		}
		threads, _ := numberedIn(process + "/task") // of a process that is gone there are none
		for _, thread := range threads {
			path := fmt.Sprintf("%s/task/%d/ns/net", process, thread)
			_ = add(path, path)
		}
	}
	return list, hidden, nil
}

// numberedIn lists the entries of a folder that are numbers, in order.
func numberedIn(folder string) (list []int, err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, err
}

// open opens the namespace, nil where it is gone, or another one has its name by now.
func (n *netns) open() (*os.File, error) {
	f, err := openNetns(n.path)
	if err != nil {
		if short := shortage(err); short != nil {
			return nil, short
		}
		return nil, nil
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || (netnsID{st.Dev, st.Ino}) != n.id {
		f.Close()
		return nil, nil
	}
	return f, nil
}

// runAll lists every network namespace, one after the other.
func (l *lister) runAll(ctx context.Context, kinds uint32) error {
	spaces, hidden, err := findNetns(ctx, netnsDir, "/proc")
	if err != nil {
		return err
	}
	if hidden > 0 {
		what := fmt.Sprintf("%d processes that this user may not inspect", hidden)
		if hidden == 1 {
			what = "a process that this user may not inspect"
		}
		l.q.note(Note{Reason: HiddenNetns, Text: "the network namespaces of " + what + " may be missing: run it as root to see"})
	}
	own, shut := netnsID{}, 0
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/net", &st) == nil {
		own = netnsID{st.Dev, st.Ino}
	}
	for _, space := range spaces {
		if space.id != own { // which takes no permission, since it need not be entered
			if l.ns, err = space.open(); err != nil {
				return fmt.Errorf("network namespace %s: %w", Quote(space.name), err)
			}
			if l.ns == nil {
				continue
			}
		}
		l.netns = space.name
		err := l.runOne(ctx, kinds)
		l.leave()
		switch {
		case errors.Is(err, unix.EPERM) && space.id != own:
			shut++
		case err != nil:
			return err
		}
	}
	switch {
	case shut == 1:
		l.q.note(Note{Reason: HiddenNetns, Text: "a network namespace that this user may not enter is missing: run it as root to see"})
	case shut > 1:
		l.q.note(Note{Reason: HiddenNetns, Text: fmt.Sprintf("%d network namespaces that this user may not enter are missing: run it as root to see", shut)})
	}
	return nil
}
