package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

func init() { Register(unixFamily()) }

// UnlinkClose says whether the file of a unix socket that listens by an address is
// removed when the socket is closed, as it is unless somebody says otherwise. It may
// be set at any time, as before another program goes on with a duplicate of the
// descriptor: SetUnlinkOnClose of a *net.UnixListener.
var UnlinkClose = NewOption(Spec{
	Name: "unlink-close", Phase: Naming, Default: "on",
	Doc: "remove the file that the socket was bound to when it is closed",
}, Flag, func(e Endpoint, on bool) error {
	k, err := fileKeeperOf(e)
	if err == nil {
		k.keepFile(!on)
	}
	return err
}, func(e Endpoint) (bool, error) {
	k, err := fileKeeperOf(e)
	return err == nil && !k.keptFile(), err
})

// A fileKeeper can leave the file of its socket where it is.
type fileKeeper interface {
	keepFile(bool)
	keptFile() bool
}

func fileKeeperOf(e Endpoint) (fileKeeper, error) {
	k, ok := Beneath[fileKeeper](e)
	if !ok || e.Name().Domain() != Unix {
		return nil, &UnsupportedError{Feature: "unlink-close", Needs: "a unix socket with a name"}
	}
	return k, nil
}

func (k *kernel) keepFile(kept bool) { k.keepsFile.Store(kept) }
func (k *kernel) keptFile() bool     { return k.keepsFile.Load() }

func unixFamily() *Family {
	scheme := func(name, doc string, t Type) *Scheme {
		return &Scheme{
			Name: name, Endpoint: "path, or @name", Doc: doc, Domains: []Domain{Unix}, Type: t, Options: append(append(unixOptions(t), permissionOptions...), UnlinkClose.Spec),
			Resolve: func(_ context.Context, t Target) ([]Name, error) { return resolveUnix(t.Endpoint) },
			Source:  func(_ context.Context, _ Target, text string) ([]Name, error) { return resolveUnix(text) },
			From:    unixFrom(t),
			Bind:    unixBind,
		}
	}
	return &Family{
		Name:       "unix",
		Domains:    []DomainConstant{{Unix, "AF_UNIX"}},
		New:        openKernel,
		Pair:       pairKernel,
		FormatName: func(n Name) string { return strings.ReplaceAll(n.Path(), ",", ",,") },
		NetAddr:    unixNetAddr,
		KindName: func(k Kind) string {
			return map[Type]string{Stream: "unix", Datagram: "unix-dgram", SeqPacket: "unix-seqpacket"}[k.Type]
		},
		Properties: unixProperties,
		Schemes: []*Scheme{
			scheme("unix", "a stream between processes of one machine", Stream),
			scheme("unix-dgram", "datagrams between processes of one machine", Datagram),
			scheme("unix-seqpacket", "messages over a connection between processes of one machine", SeqPacket),
		},
	}
}

func unixProperties(k Kind) Properties {
	p := Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: k.Type != Datagram, Bounded: k.Type.Bounded()}
	if k.Type == Stream && unixUrgent() {
		p.Urgent = 1
	}
	return p
}

// unixFrom is the name that a socket takes to connect. A datagram socket has
// none that a peer could answer to, unless it is bound; bound to the empty name
// it gets an abstract one of the system's choosing (autobind in unix(7)), which
// is Linux's alone.
func unixFrom(t Type) Name {
	if t != Datagram || runtime.GOOS != "linux" {
		return Name{}
	}
	return Name{domain: Unix}
}

func unixNetAddr(n Name, k Kind) net.Addr {
	network := map[Type]string{Stream: "unix", Datagram: "unixgram", SeqPacket: "unixpacket"}[k.Type]
	if network == "" {
		return nil
	}
	path := n.Path()
	if path == "" && runtime.GOOS == "linux" {
		path = "@" // as package net has it
	}
	return &net.UnixAddr{Name: path, Net: network}
}

func resolveUnix(path string) ([]Name, error) {
	if path == "" || path == "@" {
		return nil, EndpointErrorf("no path was given: write unix:/run/name.sock, or unix:@name")
	}
	n, err := UnixName(path)
	if err != nil {
		return nil, err
	}
	return []Name{n}, nil
}

// unixBind makes the socket's file with tight permissions, in place of one
// that nobody listens on any more, and removes it when the socket is closed.
func unixBind(ctx context.Context, t Target, s *Socket, n Name) error {
	path := n.Path()
	if path == "" || path[0] == '@' {
		if err := noPermissions(t.Settings, path); err != nil {
			return err
		}
		return unixInUse(s.Bind(n), path)
	}
	wanted, err := permissionsOf(t.Settings)
	if err != nil {
		return err
	}
	if fd, ok := As[Descriptor](s); ok {
		// On Linux the file takes its mode from the socket's inode, so that it
		// is tight from its first moment on.
		sys.Chmod(fd.FD(), uint32(wanted.first()))
	}
	err = s.Bind(n)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = replaceStale(ctx, s, n, path, err)
	}
	if err != nil {
		return unixInUse(err, path)
	}
	made, err := os.Lstat(path)
	if err != nil {
		return err
	}
	// A relative path still means the same file when the program has gone
	// elsewhere.
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	if removes, given := UnlinkClose.In(t.Settings); given {
		if err := UnlinkClose.Set(s, removes); err != nil {
			return err
		}
	}
	s.OnClose(func() {
		if removes, err := UnlinkClose.Get(s); err == nil && !removes {
			return
		}
		// By now somebody may have replaced it, and the system may have used
		// its inode again.
		if now, err := os.Lstat(absolute); err == nil && os.SameFile(made, now) && made.ModTime().Equal(now.ModTime()) {
			os.Remove(absolute)
		}
	})
	return wanted.set(path, made.Mode())
}

func unixInUse(err error, path string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &Advised{err, "another program listens there: choose another path, or stop that program"}
	case errors.Is(err, fs.ErrNotExist):
		if strings.HasPrefix(path, "~") {
			return &Advised{err, "no shell expands ~ there: write the path in full, or $HOME"}
		}
		return &Advised{err, "make the folder first: " + filepath.Dir(path)}
	case errors.Is(err, fs.ErrPermission):
		return &Advised{err, "choose a folder that you may write to"}
	}
	return err
}

// newborn is how old a socket's file must be before somebody else may take it
// for one that was left behind: a program that has bound it and does not listen
// yet refuses connections, too. From one call to the other it takes
// microseconds.
const newborn = time.Second

// replaceStale binds to the path of a socket file that nobody listens on, else it
// returns inUse. A lock on the folder keeps two programs from replacing each other's.
func replaceStale(ctx context.Context, s *Socket, n Name, path string, inUse error) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := lock(ctx, folder); err != nil {
		return err
	}
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return s.Bind(n)
		case err != nil:
			return err
		case info.Mode().Type() != fs.ModeSocket:
			return &Advised{fmt.Errorf("%s is there, and is no socket", path), "choose another path"}
		case listened(s.Kind(), n):
			return inUse
		}
		if age := time.Since(info.ModTime()); age < 0 || age >= newborn { // less than none: of another clock
			if err := os.Remove(path); err != nil {
				return err
			}
			return s.Bind(n)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// maxLocked is how long another program may hold the lock on a folder: it
// takes a few system calls.
const maxLocked = 5 * time.Second

// lock locks a folder until it is closed.
func lock(ctx context.Context, folder *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, maxLocked,
		&Advised{fmt.Errorf("folder %s is locked by another program", folder.Name()), "end that program, or choose another folder"})
	defer cancel()
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		if errno := sys.TryLock(int(folder.Fd())); errno != syscall.EWOULDBLOCK {
			return syscallError("flock", errno)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// listened reports whether somebody has the unix name.
func listened(k Kind, n Name) bool {
	fd, errno := sys.Socket(int(k.Domain), int(k.Type), 0)
	if errno != 0 {
		return true
	}
	defer sys.Close(fd)
	var a sys.Sockaddr
	if n.sockaddr(&a) != nil {
		return true
	}
	return sys.Connect(fd, &a) != syscall.ECONNREFUSED
}
