package socket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// flagsOf returns a descriptor's status flags.
func flagsOf(t testing.TB, fd int) int {
	t.Helper()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	check(t, err)
	return n
}

// inherited makes a socket of a duplicate of fd, as of one that was
// inherited: another program, for which fd stands, has it too. When the test
// ends the flags must be what they were.
func inherited(t testing.TB, fd int) *socket.Socket {
	t.Helper()
	flags := flagsOf(t, fd)
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	check(t, err)
	s, err := socket.FromFD(dup)
	check(t, err)
	t.Cleanup(func() {
		s.Close()
		if now := flagsOf(t, fd); now != flags {
			t.Errorf("the status flags are %#x, were %#x", now, flags)
		}
	})
	return s
}

// pipe makes a pipe, blocking as those of other programs.
func pipe(t testing.TB, flags int) (r, w int) {
	t.Helper()
	var fds [2]int
	check(t, unix.Pipe2(fds[:], unix.O_CLOEXEC|flags))
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// interruptible tests that a call waits, and that the deadline, and then
// Close, end it.
func interruptible(t *testing.T, s *socket.Socket, what string, setDeadline func(time.Time) error, f func() error) {
	t.Helper()
	c := start(t, what, f)
	check(t, setDeadline(longAgo))
	c.end(os.ErrDeadlineExceeded)
	check(t, setDeadline(time.Now().Add(time.Millisecond)))
	wantError(t, what, f(), os.ErrDeadlineExceeded)
	check(t, setDeadline(time.Time{}))
	c = start(t, what, f)
	check(t, s.Close())
	c.end(net.ErrClosed)
}

func TestInheritedPipe(t *testing.T) {
	for name, flags := range map[string]int{"blocking": 0, "nonblocking": unix.O_NONBLOCK} {
		t.Run(name, func(t *testing.T) {
			r, w := pipe(t, flags)
			in, out := inherited(t, r), inherited(t, w)
			if in.Domain() != socket.Unspecified || in.Type() != socket.Stream {
				t.Errorf("a pipe is %v", in.Kind())
			}
			data := random(1<<20 + 3)
			go func() { out.Write(data) }()
			wantRead(t, in, string(data))

			read := start(t, "Read", func() error { _, err := in.Read(make([]byte, 1)); return err })
			write := start(t, "Write", func() error { _, err := out.Write(make([]byte, 1<<20)); return err })
			read.end(nil)
			check(t, out.SetWriteDeadline(longAgo))
			write.end(os.ErrDeadlineExceeded)

			r, w = pipe(t, flags)
			in, out = inherited(t, r), inherited(t, w)
			interruptible(t, in, "Read", in.SetReadDeadline, func() error { _, err := in.Read(make([]byte, 1)); return err })
			interruptible(t, out, "Write", out.SetWriteDeadline, func() error {
				return untilError(func() error { _, err := out.Write(make([]byte, 1<<20)); return err })
			})
		})
	}
	t.Run("end", func(t *testing.T) {
		var fds [2]int
		check(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
		in, err := socket.FromFD(fds[0])
		check(t, err)
		out, err := socket.FromFD(fds[1])
		check(t, err)
		c := start(t, "Read", func() error { _, err := in.Read(make([]byte, 1)); return err })
		check(t, out.Close())
		c.end(io.EOF)
		check(t, in.Close())
	})
	t.Run("broken", func(t *testing.T) {
		var fds [2]int
		check(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
		out, err := socket.FromFD(fds[1])
		check(t, err)
		c := start(t, "Write", func() error { _, err := out.Write(make([]byte, 1<<20)); return err })
		check(t, unix.Close(fds[0]))
		c.end(syscall.EPIPE)
		check(t, out.Close())
	})
}

func TestInheritedTerminal(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	raw, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	check(t, err)
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Oflag &^= unix.OPOST
	check(t, unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, raw))
	m, s := inherited(t, int(master.Fd())), inherited(t, int(slave.Fd()))
	write(t, m, "hola")
	wantRead(t, s, "hola")
	data := random(100000)
	go s.Write(data)
	wantRead(t, m, string(data))
	// Room for a part of what a call writes must not make it block.
	interruptible(t, s, "Write", s.SetWriteDeadline, func() error {
		return untilError(func() error { _, err := s.Write(make([]byte, 4001)); return err })
	})
	s = inherited(t, int(slave.Fd()))
	interruptible(t, s, "Read", s.SetReadDeadline, func() error {
		return untilError(func() error { _, err := s.Read(make([]byte, 1)); return err })
	})
}

func TestInheritedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	check(t, err)
	t.Cleanup(func() { f.Close() })
	s := inherited(t, int(f.Fd()))
	data := random(100000)
	_, err = s.Write(data)
	check(t, err)
	_, err = f.Seek(0, io.SeekStart)
	check(t, err)
	wantRead(t, s, string(data))
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	for _, device := range []string{"/dev/null", "/dev/zero"} {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		check(t, err)
		t.Cleanup(func() { f.Close() })
		s := inherited(t, int(f.Fd()))
		if n, err := s.Write(data); n != len(data) || err != nil {
			t.Errorf("%s: wrote %d, %v", device, n, err)
		}
		n, err := s.Read(data[:10])
		if device == "/dev/null" && err != io.EOF || device == "/dev/zero" && n != 10 {
			t.Errorf("%s: read %d, %v", device, n, err)
		}
	}
}

// blockingCopy returns a blocking descriptor of s, which it closes.
func blockingCopy(t testing.TB, s *socket.Socket) int {
	t.Helper()
	fd, err := s.Detach()
	check(t, err)
	check(t, unix.SetNonblock(fd, false))
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Inherited sockets are blocking ones, and stay so.
func TestInheritedSockets(t *testing.T) {
	kinds := append(append(append([]testKind{}, streams...), datagrams...), seqPackets...)
	each(t, kinds, func(t *testing.T, k testKind) {
		for _, b := range blockers {
			if !b.fits(k) || b.name == "Send to a name" {
				continue
			}
			t.Run(b.name, func(t *testing.T) {
				a, _ := k.pair(t)
				kind := a.Kind()
				s := inherited(t, blockingCopy(t, a))
				if s.Kind() != kind {
					t.Errorf("the kind is %v, was %v", s.Kind(), kind)
				}
				interruptible(t, s, b.name, func(when time.Time) error { return setDeadline(s, b, when) }, func() error { return b.call(s) })
			})
		}
	})
	each(t, append(append([]testKind{}, streams...), seqPackets...), func(t *testing.T, k testKind) {
		t.Run("Accept", func(t *testing.T) {
			l := k.listener(t)
			name := l.Name()
			s := inherited(t, blockingCopy(t, l))
			ctx, cancel := context.WithCancel(t.Context())
			c := start(t, "Accept", func() error { _, err := s.Accept(ctx); return err })
			cancel()
			c.end(context.Canceled)
			accepted := make(chan *socket.Socket, 1)
			c = start(t, "Accept", func() error { a, err := s.Accept(t.Context()); accepted <- a; return err })
			check(t, k.open(t).Connect(t.Context(), name))
			c.end(nil)
			a := <-accepted
			interruptible(t, a, "Read from what was accepted", a.SetReadDeadline, func() error { _, err := a.Read(make([]byte, 1)); return err })
			interruptible(t, s, "Accept", s.SetReadDeadline, func() error { _, err := s.Accept(t.Context()); return err })
		})
		t.Run("Connect", func(t *testing.T) {
			l := k.listener(t)
			s := inherited(t, blockingCopy(t, k.open(t)))
			check(t, s.Connect(t.Context(), l.Name()))
			if s.Peer() != l.Name() {
				t.Errorf("the peer is %v, want %v", s.Peer(), l.Name())
			}
		})
	})
	t.Run("Connect to a full queue", func(t *testing.T) {
		l := fullListener(t, unixStream)
		s := inherited(t, blockingCopy(t, unixStream.open(t)))
		interruptible(t, s, "Connect", s.SetWriteDeadline, func() error { return s.Connect(t.Context(), l.Name()) })
	})
	t.Run("splice", func(t *testing.T) {
		a, in := tcp.pair(t)
		out, b := tcp.pair(t)
		in, out = inherited(t, blockingCopy(t, in)), inherited(t, blockingCopy(t, out))
		data := random(3 << 20)
		passes(t, data, a, b, func() (int64, error) { return out.ReadFrom(in) }, a.Close, func() error { return out.Shutdown(socket.ShutdownWrite) })
	})
}

func TestFile(t *testing.T) {
	each(t, []testKind{tcp, unixStream, udp}, func(t *testing.T, k testKind) {
		for _, joined := range []bool{false, true} {
			a, b := k.pair(t)
			if joined {
				check(t, a.SetReadDeadline(time.Now().Add(time.Millisecond)))
				_, err := a.Read(make([]byte, 1))
				wantError(t, "Read", err, os.ErrDeadlineExceeded)
				check(t, a.SetReadDeadline(time.Time{}))
			}
			f, err := a.File()
			check(t, err)
			if flagsOf(t, int(f.Fd()))&unix.O_NONBLOCK != 0 {
				t.Error("the file is nonblocking")
			}
			if n, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || n&unix.FD_CLOEXEC == 0 {
				t.Error("the file is not close-on-exec")
			}
			_, err = f.Write([]byte("file"))
			check(t, err)
			wantRead(t, b, "file")
			c := start(t, "Read", func() error { _, err := a.Read(make([]byte, 1)); return err })
			check(t, a.SetReadDeadline(longAgo))
			c.end(os.ErrDeadlineExceeded)
			check(t, a.Close())
			_, err = f.Write([]byte("still"))
			check(t, err)
			wantRead(t, b, "still")
			check(t, f.Close())
		}
	})
	t.Run("listener", func(t *testing.T) {
		l := tcp.listener(t)
		f, err := l.File()
		check(t, err)
		defer f.Close()
		interruptible(t, l, "Accept", l.SetReadDeadline, func() error { _, err := l.Accept(t.Context()); return err })
		nl, err := net.FileListener(f)
		check(t, err)
		check(t, nl.Close())
	})
	t.Run("pipe", func(t *testing.T) {
		r, w := pipe(t, unix.O_NONBLOCK)
		dup, err := unix.FcntlInt(uintptr(r), unix.F_DUPFD_CLOEXEC, 0)
		check(t, err)
		s, err := socket.FromFD(dup)
		check(t, err)
		f, err := s.File()
		check(t, err)
		check(t, f.Close())
		interruptible(t, s, "Read", s.SetReadDeadline, func() error { _, err := s.Read(make([]byte, 1)); return err })
		_ = w
	})
}

func TestDetach(t *testing.T) {
	each(t, []testKind{tcp, unixStream, udp}, func(t *testing.T, k testKind) {
		for _, waited := range []bool{false, true} {
			a, b := k.pair(t)
			d, _ := socket.As[socket.Descriptor](a)
			was := d.FD()
			var c *call
			if waited {
				c = start(t, "Read", func() error { _, err := a.Read(make([]byte, 1)); return err })
			}
			fd, err := a.Detach()
			check(t, err)
			if same := fd == was; same == waited {
				t.Errorf("waited %v: the descriptor is %d, was %d", waited, fd, was)
			}
			if waited {
				c.end(net.ErrClosed)
			}
			if d.FD() != -1 {
				t.Errorf("FD is %d after Detach", d.FD())
			}
			if flagsOf(t, fd)&unix.O_NONBLOCK == 0 {
				t.Error("it is blocking")
			}
			wantError(t, "Close", a.Close(), net.ErrClosed)
			_, err = a.Write([]byte("x"))
			wantError(t, "Write", err, net.ErrClosed)
			_, err = a.Detach()
			wantError(t, "Detach", err, net.ErrClosed)
			_, err = a.File()
			wantError(t, "File", err, net.ErrClosed)
			s, err := socket.FromFD(fd)
			check(t, err)
			write(t, s, "alive")
			wantRead(t, b, "alive")
			check(t, s.Close())
		}
	})
	// The file of a unix listener stays with the descriptor.
	path := filepath.Join(t.TempDir(), "s")
	s, err := bindUnix(t.Context(), unixStream, path)
	check(t, err)
	fd, err := s.Detach()
	check(t, err)
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	check(t, unix.Close(fd))
}

func TestFromFDRefuses(t *testing.T) {
	for _, fd := range []int{-1, 1 << 20} {
		_, err := socket.FromFD(fd)
		wantError(t, "FromFD", err, syscall.EBADF)
	}
	open := func(word, endpoint string) (*socket.Socket, error) {
		s, _ := scheme.Lookup(word)
		return s.Open(t.Context(), scheme.Target{Endpoint: endpoint})
	}
	for _, e := range []string{"-1", "1048576", "nobody", ""} {
		if _, err := open("fd", e); err == nil {
			t.Errorf("fd:%s opened", e)
		}
	}
	if _, err := open("file", t.TempDir()); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder: %v", err)
	}
}

// A FIFO's reader waits for its first writer, its writer for a reader.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	sc, _ := scheme.Lookup("pipe")
	one := func(name string) option.Setting {
		for _, o := range sc.Options {
			if o.Name == name {
				return option.Setting{Spec: o, Value: true}
			}
		}
		t.Fatal("no option " + name)
		panic("unreachable")
	}
	reads := scheme.Target{Endpoint: path, Settings: option.Settings{one("rdonly")}}
	writes := scheme.Target{Endpoint: path, Settings: option.Settings{one("wronly")}}
	ctx, cancel := context.WithCancel(t.Context())
	c := start(t, "open to write", func() error { _, err := sc.Open(ctx, writes); return err })
	cancel()
	c.end(context.Canceled)
	r, err := sc.Open(t.Context(), reads)
	check(t, err)
	c = start(t, "Read", func() error { _, err := r.Read(make([]byte, 1)); return err })
	w, err := sc.Open(t.Context(), writes)
	check(t, err)
	write(t, w, "x")
	c.end(nil)
	check(t, w.Close())
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	check(t, r.Close())
}
