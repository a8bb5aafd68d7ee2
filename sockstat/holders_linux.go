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
	"strings"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// holders says which descriptors of which processes refer to a socket. It is made by one walk over
// /proc/*/fd, and takes 16 bytes for each.
type holders struct {
	entries   []holderEntry // by inode, process and descriptor
	processes []process
	hidden    bool // some processes could not be looked into

	// of the walk
	procFD   int
	commands bool // paths and command lines too
	dir      []byte
	link     [64]byte
}

type holderEntry struct {
	inode, fd uint32
	process   uint32 // an index
	seen      bool   // a table has it; of the first entry of an inode
}

type process struct {
	pid  int
	name string
	path string
	args []string
}

const direntBuffer = 32 << 10

// walkHolders looks through the descriptors of all processes whose numbers this
// pid namespace has, and of threads that left their process's descriptor table.
func walkHolders(ctx context.Context, proc string, commands bool) (*holders, error) {
	fd, err := unix.Open(proc, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		if short := shortage(err); short != nil {
			err = short
		}
		return nil, fmt.Errorf("look for processes: %w", &fs.PathError{Op: "open", Path: proc, Err: err})
	}
	defer unix.Close(fd)
	h := &holders{procFD: fd, commands: commands, dir: make([]byte, direntBuffer)}
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
func (h *holders) pids() (list []int, err error) {
	err = h.numbers(h.procFD, func(_ []byte, pid uint32) bool {
		list = append(list, int(pid))
		return true
	})
	return list, err
}

// numbers hands on the entries of a directory that are numbers, while each
// returns true.
func (h *holders) numbers(dir int, each func(name []byte, number uint32) bool) error {
	for {
		n, err := unix.Getdents(dir, h.dir)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for name, rest, ok := nextDirent(h.dir[:n]); ok; name, rest, ok = nextDirent(rest) {
			if number, ok := parseUint(name); ok && !each(name, number) {
				return nil
			}
		}
	}
}

// walk adds the sockets of one process. One that is gone by now has none. The error is of
// this process: without it sockets would be said to have no holder.
func (h *holders) walk(ctx context.Context, pid int) error {
	path, index := strconv.Itoa(pid), -1
	if err := h.table(ctx, path+"/fd", pid, &index); err != nil {
		return err
	}
	// A folder has a link for each folder in it, and two of its own.
	var task unix.Stat_t
	if unix.Fstatat(h.procFD, path+"/task", &task, 0) != nil || task.Nlink <= 3 {
		return nil
	}
	fd, err := h.open(path + "/task")
	if err != nil {
		return shortage(err)
	}
	var own []uint32
	err = h.numbers(fd, func(_ []byte, thread uint32) bool {
		if int(thread) != pid && !sys.SameFiles(pid, int(thread)) {
			own = append(own, thread)
		}
		return true
	})
	unix.Close(fd)
	for _, thread := range own {
		if err == nil {
			err = h.table(ctx, path+"/task/"+strconv.Itoa(int(thread))+"/fd", pid, &index)
		}
	}
	return shortage(err)
}

func (h *holders) open(dir string) (int, error) {
	return unix.Openat(h.procFD, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// table adds the sockets of one descriptor table. index is that of its process, less
// than 0 until it has a socket.
func (h *holders) table(ctx context.Context, dir string, pid int, index *int) error {
	fd, err := h.open(dir)
	if err != nil {
		h.denied(err)
		return shortage(err)
	}
	defer unix.Close(fd)
	err = h.numbers(fd, func(name []byte, number uint32) bool {
		n, errno := sys.Readlinkat(fd, name, h.link[:])
		if errno != 0 {
			return !h.denied(errno)
		}
		inode, ok := parseSocketLink(h.link[:n])
		if !ok {
			return true
		}
		if *index < 0 {
			*index = len(h.processes)
			p := process{pid: pid, name: h.name(pid)}
			if h.commands {
				p.path, p.args = h.command(pid)
			}
			h.processes = append(h.processes, p)
		}
		h.entries = append(h.entries, holderEntry{inode: inode, fd: number, process: uint32(*index)})
		return number&1023 != 0 || ctx.Err() == nil // a process may hold millions
	})
	h.denied(err)
	return shortage(err)
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

// longestCommand is how much of a command line is kept.
const longestCommand = 128 << 10

// command reads the path and the command line of a process, nothing where it is gone, is of the
// kernel, or is not this user's to look into.
func (h *holders) command(pid int) (path string, args []string) {
	var link [4096]byte
	if n, err := unix.Readlinkat(h.procFD, strconv.Itoa(pid)+"/exe", link[:]); err == nil {
		path = string(link[:n])
	}
	fd, err := unix.Openat(h.procFD, strconv.Itoa(pid)+"/cmdline", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return path, nil
	}
	defer unix.Close(fd)
	var line []byte
	for n := 1; n > 0 && len(line) < longestCommand; {
		if n, _ = unix.Read(fd, link[:]); n > 0 {
			line = append(line, link[:min(n, longestCommand-len(line))]...)
		}
	}
	// A process that wrote a title over its arguments leaves zeros behind it.
	if text := strings.TrimRight(string(line), "\x00"); text != "" {
		args = strings.Split(text, "\x00")
	}
	return path, args
}

// at is where the entries of an inode begin.
func (h *holders) at(inode uint32) int {
	return sort.Search(len(h.entries), func(i int) bool { return h.entries[i].inode >= inode })
}

// see notes that a table has the socket with this inode.
func (h *holders) see(inode uint32) {
	if h == nil || inode == 0 {
		return
	}
	if i := h.at(inode); i < len(h.entries) && h.entries[i].inode == inode {
		h.entries[i].seen = true
	}
}

// unseen lists the inodes that no table had.
func (h *holders) unseen() (list []uint32) {
	for i, e := range h.entries {
		if (i == 0 || h.entries[i-1].inode != e.inode) && !e.seen {
			list = append(list, e.inode)
		}
	}
	return list
}

// find appends the descriptors that refer to the socket with this inode.
func (h *holders) find(dst []Holder, inode uint32) []Holder {
	if h == nil || inode == 0 {
		return dst
	}
	for i := h.at(inode); i < len(h.entries) && h.entries[i].inode == inode; i++ {
		e := &h.entries[i]
		p := &h.processes[e.process]
		dst = append(dst, Holder{PID: p.pid, Name: p.name, FD: int(e.fd), Path: p.path, Args: p.args})
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
	return Note{Reason: HiddenProcesses, Text: fmt.Sprintf("%s to processes that this user may not inspect: "+
		"run it %s, or with the capabilities CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, to see which", what, who)}
}
