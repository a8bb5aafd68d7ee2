package sockstat

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// holders says which descriptors of which processes refer to a socket. It is made by one walk over
// /proc/*/fd, and takes 12 octets for each.
type holders struct {
	entries   []holderEntry // by inode, process and descriptor
	processes []process
	hidden    bool // some processes could not be looked into

	// of the walk
	procFD int
	dir    []byte
	link   [64]byte
}

type holderEntry struct {
	inode, fd uint32
	process   uint32 // an index
}

type process struct {
	pid  int
	name string
}

const direntBuffer = 32 << 10

// walkHolders looks through the descriptors of all processes whose numbers this
// pid namespace has. Threads that left their process's descriptor table are not looked at.
func walkHolders(ctx context.Context, proc string) (*holders, error) {
	fd, err := unix.Open(proc, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if short := shortage(err); short != nil {
			err = short
		}
		return nil, fmt.Errorf("look for processes: %w", &fs.PathError{Op: "open", Path: proc, Err: err})
	}
	defer unix.Close(fd)
	h := &holders{procFD: fd, dir: make([]byte, direntBuffer)}
	pids, err := h.pids()
	if err != nil {
		return nil, fmt.Errorf("look for processes: read %s: %w", proc, err)
	}
	for _, pid := range pids {
		if err := h.walk(ctx, pid); err != nil {
			return nil, fmt.Errorf("look into process %d: %w", pid, err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	// Where /proc is mounted with hidepid, other users' processes, the first of all, are not there.
	h.hidden = h.hidden || !slices.Contains(pids, 1)
	slices.SortFunc(h.entries, func(a, b holderEntry) int {
		return cmp.Or(cmp.Compare(a.inode, b.inode), cmp.Compare(a.process, b.process), cmp.Compare(a.fd, b.fd))
	})
	h.dir = nil
	return h, nil
}

// pids lists the processes.
func (h *holders) pids() ([]int, error) {
	var list []int
	for {
		n, err := unix.Getdents(h.procFD, h.dir)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return list, err
		}
		for rest := h.dir[:n]; ; {
			name, next, ok := nextDirent(rest)
			if !ok {
				break
			}
			if pid, ok := parseUint(name); ok {
				list = append(list, int(pid))
			}
			rest = next
		}
	}
}

// walk adds the sockets of one process. One that is gone by now has none. The error is of
// this process: without it sockets would be said to have no holder.
func (h *holders) walk(ctx context.Context, pid int) error {
	fd, err := unix.Openat(h.procFD, strconv.Itoa(pid)+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		h.denied(err)
		return shortage(err)
	}
	defer unix.Close(fd)
	index := -1
	for ctx.Err() == nil {
		n, err := unix.Getdents(fd, h.dir)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			h.denied(err)
			return shortage(err)
		}
		for rest := h.dir[:n]; ; {
			name, next, ok := nextDirent(rest)
			if !ok {
				break
			}
			rest = next
			number, ok := parseUint(name)
			if !ok {
				continue
			}
			n, errno := sys.Readlinkat(fd, name, h.link[:])
			if errno != 0 {
				if h.denied(errno) {
					return nil
				}
				continue
			}
			inode, ok := parseSocketLink(h.link[:n])
			if !ok {
				continue
			}
			if index < 0 {
				index = len(h.processes)
				h.processes = append(h.processes, process{pid, h.name(pid)})
			}
			h.entries = append(h.entries, holderEntry{inode, number, uint32(index)})
		}
	}
	return nil
}

// shortage is err where it says that descriptors or memory are out, with what to do, else nil.
func shortage(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w: raise the limit (ulimit -n)", err)
	case errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: the system is short of it for all: try again later", err)
	}
	return nil
}

// denied notes whether err means that this user may not look.
func (h *holders) denied(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		h.hidden = true
		return true
	}
	return false
}

// name reads the command name of a process, "" where it is gone.
func (h *holders) name(pid int) string {
	fd, err := unix.Openat(h.procFD, strconv.Itoa(pid)+"/comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, h.link[:])
	if err != nil {
		return ""
	}
	return string(bytes.TrimSuffix(h.link[:n], []byte("\n")))
}

// find appends the descriptors that refer to the socket with this inode.
func (h *holders) find(dst []Holder, inode uint32) []Holder {
	if h == nil || inode == 0 {
		return dst
	}
	i := sort.Search(len(h.entries), func(i int) bool { return h.entries[i].inode >= inode })
	for ; i < len(h.entries) && h.entries[i].inode == inode; i++ {
		e := &h.entries[i]
		p := &h.processes[e.process]
		dst = append(dst, Holder{PID: p.pid, Name: p.name, FD: int(e.fd)})
	}
	return dst
}

// nextDirent takes the name of the first entry off what getdents64(2) gave.
func nextDirent(b []byte) (name, rest []byte, ok bool) {
	const start = 19 // of the name in struct linux_dirent64
	if len(b) < start {
		return nil, nil, false
	}
	size := int(binary.NativeEndian.Uint16(b[16:]))
	if size < start || size > len(b) {
		return nil, nil, false
	}
	return cString(b[start:size]), b[size:], true
}

// parseSocketLink reads "socket:[123]".
func parseSocketLink(link []byte) (inode uint32, ok bool) {
	number, found := bytes.CutPrefix(link, []byte("socket:["))
	if !found || !bytes.HasSuffix(number, []byte("]")) {
		return 0, false
	}
	return parseUint(number[:len(number)-1])
}

// parseUint reads a decimal number of 32 bits, without an allocation.
func parseUint(b []byte) (uint32, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var v uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return uint32(v), v < 1<<32
}

// hiddenNote says what would show the processes that are missing.
func hiddenNote(sockets int) Note {
	who := "as root"
	if os.Geteuid() == 0 {
		who = "in the initial user namespace and with all of /proc"
	}
	what := fmt.Sprintf("%d sockets belong", sockets)
	if sockets == 1 {
		what = "1 socket belongs"
	}
	return Note{Reason: HiddenProcesses, Text: fmt.Sprintf("%s to processes that this user may not look into: "+
		"run it %s, or with the capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, to see which", what, who)}
}
