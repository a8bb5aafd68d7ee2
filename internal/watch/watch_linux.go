package watch

import (
	"encoding/binary"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// events that may be of a file that has changed.
const changes = unix.IN_CLOSE_WRITE | unix.IN_MODIFY | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_CREATE | unix.IN_DELETE | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

// folderEvents returns a channel that tells of changes in folders, which is closed where the
// kernel tells no more; nil where it does not tell all. A folder whose name has patterns, or
// that is not there yet, cannot be watched.
func folderEvents(folders []string) (<-chan struct{}, func()) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, func() {}
	}
	f := os.NewFile(uintptr(fd), "inotify")
	for _, folder := range folders {
		if strings.ContainsAny(folder, "*?[") {
			f.Close()
			return nil, func() {}
		}
		if _, err := unix.InotifyAddWatch(fd, folder, changes|unix.IN_ONLYDIR); err != nil {
			f.Close() // it may come later, which nothing would tell of
			return nil, func() {}
		}
	}
	events, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		defer close(events)
		b := make([]byte, 64<<10)
		for {
			n, err := f.Read(b)
			if err != nil || n < unix.SizeofInotifyEvent || over(b[:n]) {
				return
			}
			select {
			case events <- struct{}{}:
			default:
			}
		}
	}()
	return events, func() { f.Close(); <-done }
}

// over reports whether a folder of those that are watched has gone: then looking is the
// only way to see it come back.
func over(b []byte) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		if mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED|unix.IN_Q_OVERFLOW) != 0 {
			return true
		}
		n := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		b = b[min(n, len(b)):]
	}
	return false
}
