package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// always are files that every network program reads: names, time zones, the system's
// certificates, and what the kernel tells of this process and of its network.
var always = []string{
	"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/gai.conf", "/etc/passwd", "/etc/group",
	"/etc/localtime", "/usr/share/zoneinfo", "/etc/ssl", "/etc/pki", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	"/proc/self", "/proc/sys/net", "/proc/net", "/run/systemd/resolve",
}

// tcpPorts is the first version of Landlock that restricts the ports of TCP, of Linux 6.7.
const tcpPorts = 4

const making = ll.AccessFSMakeSock | ll.AccessFSRemoveFile | ll.AccessFSReadDir

// Enter restricts this process, and those that it starts, to needs, for good. weaker says in
// words what the system cannot restrict, "" where it can do all. The error is one that
// matches [errors.ErrUnsupported] where it has no Landlock.
func Enter(n Needs) (weaker string, err error) {
	version, err := ll.LandlockGetABIVersion()
	if err != nil {
		return "", fmt.Errorf("sandbox: this kernel has no Landlock, or it is off: %w", errors.ErrUnsupported)
	}
	if version < tcpPorts {
		weaker = "this kernel restricts only files: TCP ports need Linux 6.7"
	}
	rules := []landlock.Rule{landlock.ConnectTCP(53), landlock.RWFiles("/dev/null").IgnoreIfMissing()}
	for _, p := range append(always, n.Read...) {
		rules = append(rules, reading(p))
	}
	for _, p := range n.Write {
		rules = append(rules, writing(p))
	}
	for _, p := range n.Sockets {
		rules = append(rules, landlock.PathAccess(making, p))
	}
	for _, p := range n.Bind {
		rules = append(rules, landlock.BindTCP(p))
	}
	for _, p := range n.Connect {
		rules = append(rules, landlock.ConnectTCP(p))
	}
	config := landlock.Config{HandledAccessFS: restricted, HandledAccessNet: ll.AccessNetBindTCP}
	if !n.AnyConnect {
		config.HandledAccessNet |= ll.AccessNetConnectTCP
	}
	if err := config.BestEffort().Restrict(rules...); err != nil {
		return weaker, fmt.Errorf("sandbox: %w", err)
	}
	return weaker, nil
}

// restricted is what is done to files that a rule must allow: all that Linux 6.2 knows.
const restricted = ll.AccessFSExecute | ll.AccessFSWriteFile | ll.AccessFSReadFile | ll.AccessFSReadDir | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile |
	ll.AccessFSMakeChar | ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeFifo | ll.AccessFSMakeBlock | ll.AccessFSMakeSym |
	ll.AccessFSRefer | ll.AccessFSTruncate

func reading(path string) landlock.Rule {
	if isFile(path) {
		return landlock.ROFiles(path)
	}
	return landlock.RODirs(path).IgnoreIfMissing()
}

// writing allows a file or folder, and where it is not there yet, making files in the
// folder where it will be.
func writing(path string) landlock.Rule {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return landlock.RWDirs(filepath.Dir(path)).IgnoreIfMissing()
	case err == nil && info.IsDir():
		return landlock.RWDirs(path)
	}
	return landlock.RWFiles(path).IgnoreIfMissing()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
