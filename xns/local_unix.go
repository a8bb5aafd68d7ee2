//go:build unix

package xns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// localQueue is how many packets wait for receivers that have no room, and
// localWait how long the first of them waits before it is lost.
const (
	localQueue = 256
	localWait  = 20 * time.Millisecond
)

// local is the link between the processes of one machine. Each host has a unix
// datagram socket in a directory that they share, whose name is its number in
// 12 hexadecimal digits, and is sent the packets that are for it.
type local struct {
	id   HostID
	dir  string
	path string
	conn *net.UnixConn
	raw  syscall.RawConn

	mu      sync.Mutex
	closed  bool
	address unix.SockaddrUnix // kept, to allocate nothing
	paths   map[HostID]string
	queue   chan waiting
	writer  sync.WaitGroup
	pending int // in the queue, or with its reader
}

// waiting is a packet for a receiver that had no room.
type waiting struct {
	path string
	*buffer
}

// localDirectory returns the directory of the user, which only the user can
// enter.
func localDirectory() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "zocalo-xns")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("zocalo-xns-%d", os.Getuid()))
}

// makePrivate makes the directory with mode 0700, or sees that it is so.
func makePrivate(dir string) error {
	if err := os.Mkdir(dir, 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Getuid() || st.Mode&0o077 != 0 {
		return fmt.Errorf("directory %s is open to other users: remove it, or chmod 700 it", dir)
	}
	return nil
}

func openLocal(_ context.Context, id HostID, dir string) (Link, error) {
	if dir == "" {
		dir = localDirectory()
	}
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	l := &local{id: id, dir: dir, paths: map[HostID]string{}, queue: make(chan waiting, localQueue)}
	l.path = l.pathOf(id)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.path, Net: "unixgram"})
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = takeOver(l.path, id); err != nil {
			return nil, err
		}
		c, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.path, Net: "unixgram"})
	}
	if err != nil {
		return nil, err
	}
	l.conn = c
	if l.raw, err = c.SyscallConn(); err != nil {
		c.Close()
		return nil, err
	}
	c.SetReadBuffer(1 << 20)
	l.writer.Go(l.drain)
	return l, nil
}

// takeOver removes the socket file of a process that has ended.
func takeOver(path string, id HostID) error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		c.Close()
		return fmt.Errorf("host %v is in use by another process on this machine: choose another number: %w", id, syscall.EADDRINUSE)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

func (l *local) pathOf(id HostID) string {
	return filepath.Join(l.dir, fmt.Sprintf("%012x", id.number()))
}

func (l *local) Host() HostID { return l.id }

func (l *local) ReadFrame(b []byte) (int, error) {
	for {
		n, err := l.conn.Read(b)
		if err == nil {
			return n, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return 0, net.ErrClosed
		}
		if n == 0 {
			return 0, err
		}
	}
}

func (l *local) WriteFrame(to HostID, packet []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	if !to.isGroup() {
		return l.sendTo(l.knownPath(to), packet)
	}
	files, err := os.ReadDir(l.dir)
	if err != nil {
		return syscall.ENETUNREACH
	}
	for _, f := range files {
		if name := f.Name(); len(name) == 12 && !strings.HasSuffix(l.path, name) {
			l.sendTo(filepath.Join(l.dir, name), packet)
		}
	}
	return nil
}

// knownPath is pathOf without making the text again. The caller holds mu.
func (l *local) knownPath(id HostID) string {
	path, ok := l.paths[id]
	if !ok {
		if len(l.paths) >= 1024 {
			clear(l.paths)
		}
		path = l.pathOf(id)
		l.paths[id] = path
	}
	return path
}

// sendTo sends a packet to the socket of that path, or puts it into the queue
// if there is no room. The caller holds mu.
func (l *local) sendTo(path string, packet []byte) error {
	err := error(unix.EAGAIN)
	if l.pending == 0 {
		err = l.try(path, packet)
	}
	switch err {
	case nil:
		return nil
	case unix.EAGAIN, unix.ENOBUFS:
		f := newBuffer()
		f.set(packet)
		select {
		case l.queue <- waiting{path, f}:
			l.pending++
		default:
			f.free()
		}
		return nil
	case unix.ECONNREFUSED: // its process has ended
		os.Remove(path)
		return syscall.EHOSTUNREACH
	case unix.EMSGSIZE:
		return syscall.EMSGSIZE
	}
	return syscall.EHOSTUNREACH
}

// try sends without waiting. The caller holds mu.
func (l *local) try(path string, packet []byte) error {
	l.address.Name = path
	var err error
	if closed := l.raw.Control(func(fd uintptr) {
		err = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT, &l.address)
	}); closed != nil {
		return closed
	}
	return err
}

// drain sends what waits for a receiver to have room.
func (l *local) drain() {
	for w := range l.queue {
		l.conn.SetWriteDeadline(time.Now().Add(localWait))
		l.conn.WriteToUnix(w.bytes(), &net.UnixAddr{Name: w.path, Net: "unixgram"})
		w.free()
		l.mu.Lock()
		l.pending--
		l.mu.Unlock()
	}
}

func (l *local) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.queue)
	l.mu.Unlock()
	os.Remove(l.path)
	err := l.conn.Close()
	l.writer.Wait()
	return err
}
