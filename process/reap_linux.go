package process

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// awaitExit waits until the process of a descriptor of pidfd_open(2) has
// ended, without a thread that waits with it. Without a descriptor, as on
// kernels before 5.3, it returns at once, and who calls waits with a thread.
func awaitExit(pidfd int) {
	if pidfd < 0 {
		return
	}
	unix.SetNonblock(pidfd, true) // for the runtime's poller
	f := os.NewFile(uintptr(pidfd), "pidfd")
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// running are the process groups with a process that is no zombie, as /proc
// tells, at a time.
var running struct {
	sync.Mutex
	at     time.Time
	groups map[int]bool
}

// groupRuns is groupExists that does not count zombies: in a container whose
// init reaps no orphans they stay for ever. It reads all of /proc, at most
// once in lastLook, whoever asks.
func groupRuns(group int) bool {
	r := &running
	r.Lock()
	defer r.Unlock()
	if time.Since(r.at) >= lastLook {
		groups, err := readGroups()
		if err != nil {
			return true
		}
		r.groups, r.at = groups, time.Now()
	}
	return r.groups[group]
}

func readGroups() (map[int]bool, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	groups := map[int]bool{}
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		// "pid (comm) state ppid pgrp ...", and comm may hold anything.
		rest := stat[bytes.LastIndexByte(stat, ')')+1:]
		f := bytes.Fields(rest)
		if len(f) < 3 || f[0][0] == 'Z' || f[0][0] == 'X' {
			continue
		}
		if group, err := strconv.Atoi(string(f[2])); err == nil {
			groups[group] = true
		}
	}
	return groups, nil
}

// attributes are what Linux has besides: the program is killed should the
// thread that started it end, and so with this process (PR_SET_PDEATHSIG).
func attributes(a *syscall.SysProcAttr, pidfd *int) {
	a.Pdeathsig = syscall.SIGKILL
	a.PidFD = pidfd
}
