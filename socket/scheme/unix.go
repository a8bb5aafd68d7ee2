package scheme

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"zocalo/internal/sys"
	"zocalo/socket"
	"zocalo/socket/option"
)

func init() { Register(unixSchemes()...) }

func unixSchemes() []*Scheme {
	scheme := func(name, doc string, t socket.Type) *Scheme {
		return &Scheme{
			Name: name, Endpoint: "path, or @name", Doc: doc, Domains: []socket.Domain{socket.Unix}, Type: t, Options: append(append(unixOptions(t), permissionOptions...), option.UnlinkClose.Spec),
			Resolve: func(_ context.Context, t Target) ([]socket.Name, error) { return resolveUnix(t.Endpoint) },
			Source:  func(_ context.Context, _ Target, text string) ([]socket.Name, error) { return resolveUnix(text) },
			From:    unixFrom(t),
			Bind:    unixBind,
			Adopt:   unixAdopt,
		}
	}
	return []*Scheme{
		scheme("unix", "a stream between processes of one machine", socket.Stream),
		scheme("unix-dgram", "datagrams between processes of one machine", socket.Datagram),
		scheme("unix-seqpacket", "messages over a connection between processes of one machine", socket.SeqPacket),
	}
}

// unixFrom is the name that a socket takes to connect. A datagram socket has
// none that a peer could answer to, unless it is bound; bound to the empty name
// it gets an abstract one of the system's choosing (autobind in unix(7)), which
// is Linux's alone.
func unixFrom(t socket.Type) socket.Name {
	if t != socket.Datagram || runtime.GOOS != "linux" {
		return socket.Name{}
	}
	return unnamed(socket.Unix)
}

func resolveUnix(path string) ([]socket.Name, error) {
	if path == "" || path == "@" {
		return nil, EndpointErrorf("no path was given: write unix:/run/name.sock, or unix:@name")
	}
	n, err := socket.UnixName(path)
	if err != nil {
		return nil, err
	}
	return []socket.Name{n}, nil
}

// unixBind makes the socket's file with tight permissions, replacing one
// without a listener, and removes it when the socket is closed.
func unixBind(ctx context.Context, t Target, s *socket.Socket, n socket.Name) error {
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
	if fd, ok := socket.As[socket.Descriptor](s); ok {
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
	made, err := unixOwn(t, s, path)
	if err != nil {
		return err
	}
	return wanted.set(path, made.Mode())
}

// unixAdopt sees to the file of a socket that was bound before.
func unixAdopt(t Target, s *socket.Socket) error {
	path := s.Name().Path()
	if path == "" || path[0] == '@' {
		return nil
	}
	option.UnlinkClose.Set(s, true)
	_, err := unixOwn(t, s, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody has removed it, and the socket serves whom it can
	}
	return err
}

// unixOwn removes the socket's file when the socket is closed, and returns what it is.
func unixOwn(t Target, s *socket.Socket, path string) (fs.FileInfo, error) {
	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	// A relative path still means the same file when the program has gone
	// elsewhere.
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	if removes, given := option.UnlinkClose.In(t.Settings); given {
		if err := option.UnlinkClose.Set(s, removes); err != nil {
			return nil, err
		}
	}
	s.OnClose(func() {
		if removes, err := option.UnlinkClose.Get(s); err == nil && !removes {
			return
		}
		// By now somebody may have replaced it, and the system may have used
		// its inode again.
		if now, err := os.Lstat(absolute); err == nil && os.SameFile(made, now) && made.ModTime().Equal(now.ModTime()) {
			os.Remove(absolute)
		}
	})
	return made, nil
}

func unixInUse(err error, path string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &socket.HintError{Err: err, Hint: "another program is listening on it: choose another path, or stop that program"}
	case errors.Is(err, fs.ErrNotExist):
		if strings.HasPrefix(path, "~") {
			return &socket.HintError{Err: err, Hint: "no shell expands ~ there: write the path in full, or $HOME"}
		}
		return &socket.HintError{Err: err, Hint: "make the folder first: " + filepath.Dir(path)}
	case errors.Is(err, fs.ErrPermission):
		return &socket.HintError{Err: err, Hint: "choose a folder that you may write to"}
	}
	return err
}

// newborn is how old a socket's file must be before somebody else may take it
// for one that was left behind: a program that has bound it and does not listen
// yet refuses connections, too. From one call to the other it takes
// microseconds.
const newborn = time.Second

// replaceStale binds to the path of a socket file without a listener, else it
// returns inUse. A lock on the folder keeps two programs from replacing each other's.
func replaceStale(ctx context.Context, s *socket.Socket, n socket.Name, path string, inUse error) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := lock(ctx, folder); err != nil {
		return err
	}
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return s.Bind(n)
		case err != nil:
			return err
		case info.Mode().Type() != fs.ModeSocket:
			return &socket.HintError{Err: fmt.Errorf("%s exists and is not a socket", path), Hint: "choose another path"}
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
		&socket.HintError{Err: fmt.Errorf("folder %s is locked by another program", folder.Name()), Hint: "end that program, or choose another folder"})
	defer cancel()
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		if errno := sys.TryLock(int(folder.Fd())); errno != syscall.EWOULDBLOCK {
			return sys.Error("flock", errno)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// listened reports whether somebody has the unix name.
func listened(k socket.Kind, n socket.Name) bool {
	fd, errno := sys.Socket(int(k.Domain), int(k.Type), 0)
	if errno != 0 {
		return true
	}
	defer sys.Close(fd)
	var a sys.Sockaddr
	b, err := n.AppendSockaddr(a.Buf[:0])
	if a.Len = uint32(len(b)); err != nil {
		return true
	}
	return sys.Connect(fd, &a) != syscall.ECONNREFUSED
}
