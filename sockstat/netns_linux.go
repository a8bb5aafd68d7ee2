package sockstat

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zocalo/internal/nearest"
)

const netnsDir = "/run/netns"

// openNetns opens a network namespace: the path of a file, a name in
// /run/netns, or a process id. "" gives nil: the calling thread's.
func openNetns(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	path, process := name, 0
	if !strings.Contains(name, "/") {
		path = filepath.Join(netnsDir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			pid, err := strconv.Atoi(name)
			if err != nil || pid <= 0 {
				return nil, unknownNetns(name)
			}
			path, process = fmt.Sprintf("/proc/%d/ns/net", pid), pid
		}
	}
	// O_NONBLOCK, since anything could be behind a path, a FIFO too.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
	case process != 0 && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("network namespace %s: there is neither a process %d nor a namespace of that name in %s", name, process, netnsDir)
	case process != 0 && errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("network namespace %s: %w: it needs CAP_SYS_PTRACE for another user's process: run it as root", name, err)
	default:
		return nil, fmt.Errorf("network namespace %s: %w", Quote(name), err)
	}
	// Anything could be behind a path: what it is must be known before setns's EINVAL.
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		f.Close()
		return nil, fmt.Errorf("network namespace %s: %s is not a network namespace", Quote(name), Quote(path))
	}
	return f, nil
}

// NetnsNames lists the network namespaces that have a name, in /run/netns.
func NetnsNames() (names []string) {
	entries, _ := os.ReadDir(netnsDir) // without it there are none
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func unknownNetns(name string) error {
	known := NetnsNames()
	for i := range known {
		known[i] = Quote(known[i])
	}
	if known == nil {
		return fmt.Errorf("unknown network namespace %s: %s has none; a process id or a path will do too", Quote(name), netnsDir)
	}
	return nearest.Unknown("network namespace", name, known)
}

// inNetns runs do on a thread in the namespace ns, the calling one where ns is nil.
func inNetns(ns *os.File, do func() error) error {
	if ns == nil {
		runtime.LockOSThread() // so that /proc/thread-self stays the same
		defer runtime.UnlockOSThread()
		return do()
	}
	result := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with the goroutine, and the
		// namespace that it is in with it.
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- enterError(os.NewSyscallError("setns", err))
			return
		}
		result <- do()
	}()
	return <-result
}

// enterError says what it takes to enter a namespace.
func enterError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("enter the network namespace: %w: it needs CAP_SYS_ADMIN: run it as root", err)
	}
	return fmt.Errorf("enter the network namespace: %w", err)
}

// localAddresses lists the addresses of the namespace's interfaces.
func localAddresses(ns *os.File) (map[netip.Addr]bool, error) {
	local := make(map[netip.Addr]bool)
	err := inNetns(ns, func() error {
		addrs, err := net.InterfaceAddrs()
		for _, a := range addrs {
			if ipnet, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(ipnet.IP); ok {
					local[ip.Unmap()] = true
				}
			}
		}
		return err
	})
	return local, err
}

// interfaces finds the names of a namespace's interfaces.
type interfaces struct {
	ns    *os.File
	fd    int // a socket of the namespace, to ask with; -1 before and where there is none
	names map[uint32]string
}

// name gives the name of an interface, its number where it has none any more.
func (in *interfaces) name(index uint32) string {
	if name, ok := in.names[index]; ok {
		return name
	}
	if in.names == nil || len(in.names) >= 4096 {
		in.names = make(map[uint32]string)
	}
	name := strconv.FormatUint(uint64(index), 10)
	if in.fd < 0 {
		// Without a socket the names stay numbers.
		_ = inNetns(in.ns, func() (err error) {
			in.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			return err
		})
	}
	if ifr, err := unix.NewIfreq(""); err == nil && in.fd >= 0 {
		ifr.SetUint32(index)
		if unix.IoctlIfreq(in.fd, unix.SIOCGIFNAME, ifr) == nil && ifr.Name() != "" {
			name = ifr.Name()
		}
	}
	in.names[index] = name
	return name
}

func (in *interfaces) close() {
	if in.fd >= 0 {
		unix.Close(in.fd)
	}
}
