package socket_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// bindUnix binds as an address does: by the scheme.
func bindUnix(ctx context.Context, k testKind, path string, settings ...option.Setting) (*socket.Socket, error) {
	sc, ok := scheme.Lookup(k.String())
	if !ok {
		return nil, errors.New("no scheme " + k.String())
	}
	target := scheme.Target{Endpoint: path, Passive: true, Settings: settings}
	names, err := sc.Resolve(ctx, target)
	if err != nil {
		return nil, err
	}
	s, err := socket.New(k.Domain, k.Type, k.Protocol)
	if err != nil {
		return nil, err
	}
	if err = sc.Bind(ctx, target, s, names[0]); err == nil && k.Type != socket.Datagram {
		err = s.Listen(0)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

var unixKinds = []testKind{unixStream, unixDatagram, unixSeqPacket}

func TestUnixFile(t *testing.T) {
	each(t, unixKinds, func(t *testing.T, k testKind) {
		path := filepath.Join(t.TempDir(), "s")
		s, err := bindUnix(t.Context(), k, path)
		check(t, err)

		_, err = bindUnix(t.Context(), k, path)
		wantError(t, "a second one", err, syscall.EADDRINUSE)
		if _, err := os.Lstat(path); err != nil {
			t.Fatal("the live socket's file is gone:", err)
		}

		check(t, s.Close())
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is left after Close: %v", err)
		}

		stale := k.open(t)
		name, err := socket.UnixName(path)
		check(t, err)
		check(t, stale.Bind(name))
		check(t, stale.Close())
		if _, err := os.Lstat(path); err != nil {
			t.Fatal("no stale file to replace:", err)
		}
		s, err = bindUnix(t.Context(), k, path)
		check(t, err)

		// Another program's file under the same path is not ours to remove.
		check(t, os.Remove(path))
		other := k.open(t)
		check(t, other.Bind(name))
		check(t, s.Close())
		if _, err := os.Lstat(path); err != nil {
			t.Error("another socket's file was removed:", err)
		}

		check(t, os.Remove(path))
		check(t, os.WriteFile(path, []byte("precious"), 0o600))
		if _, err = bindUnix(t.Context(), k, path); err == nil || !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("over a file: %v", err)
		}
		if b, _ := os.ReadFile(path); string(b) != "precious" {
			t.Error("a file that is no socket was replaced")
		}
		link := path + "link"
		check(t, os.Symlink(path, link))
		if _, err = bindUnix(t.Context(), k, link); err == nil {
			t.Error("a symbolic link was replaced")
		}
	})
}

// The process's umask neither loosens nor tightens the file.
func TestUnixMode(t *testing.T) {
	loose, err := codec.ParseFileMode("0666")
	check(t, err)
	var mode *option.Spec
	sc, _ := scheme.Lookup("unix")
	for _, o := range sc.Options {
		if o.Name == "mode" {
			mode = o
		}
	}
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		for _, e := range []struct {
			want     os.FileMode
			settings []option.Setting
		}{
			{0o600, nil}, {0o666, []option.Setting{{Spec: mode, Value: loose}}},
		} {
			path := filepath.Join(t.TempDir(), "s")
			old := syscall.Umask(umask)
			s, err := bindUnix(t.Context(), unixStream, path, e.settings...)
			syscall.Umask(old)
			check(t, err)
			info, err := os.Lstat(path)
			check(t, err)
			if got := info.Mode().Perm(); got != e.want {
				t.Errorf("umask %04o: mode %04o, want %04o", umask, got, e.want)
			}
			check(t, s.Close())
		}
	}
	// Before Bind is over nobody else may connect: bind(2) itself makes the
	// file with the mode that the descriptor has.
	path := filepath.Join(t.TempDir(), "s")
	s := unixStream.open(t)
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	scheme2 := *sc
	target := scheme.Target{Endpoint: path, Passive: true}
	names, err := sc.Resolve(t.Context(), target)
	check(t, err)
	wrapped := socket.Wrap(&modeWatcher{Endpoint: s, t: t, path: path}, s.Kind())
	check(t, scheme2.Bind(t.Context(), target, wrapped, names[0]))
	check(t, wrapped.Close())
}

// A modeWatcher looks at the file as soon as bind(2) has made it.
type modeWatcher struct {
	socket.Endpoint
	t    *testing.T
	path string
}

func (w *modeWatcher) Unwrap() socket.Endpoint { return w.Endpoint }
func (w *modeWatcher) Bind(n socket.Name) error {
	b, _ := socket.As[socket.Binder](w.Endpoint)
	err := b.Bind(n)
	if info, statErr := os.Lstat(w.path); statErr != nil || info.Mode().Perm() != 0o600 {
		w.t.Errorf("at first the mode is %v, %v", info.Mode(), statErr)
	}
	return err
}

// A file that is put in the socket's place before its permissions are set keeps
// its own, and the name is refused.
func TestUnixModeFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	secret, path := filepath.Join(dir, "secret"), filepath.Join(dir, "s")
	check(t, os.WriteFile(secret, nil, 0o400))
	s := unixStream.open(t)
	wrapped := socket.Wrap(&replacing{Endpoint: s, path: path, by: secret}, s.Kind())
	sc, _ := scheme.Lookup("unix")
	target := scheme.Target{Endpoint: path, Passive: true} // whose mode is 0600
	names, err := sc.Resolve(t.Context(), target)
	check(t, err)
	if err := sc.Bind(t.Context(), target, wrapped, names[0]); err == nil {
		t.Error("the name was taken")
	}
	info, err := os.Stat(secret)
	check(t, err)
	if info.Mode().Perm() != 0o400 {
		t.Errorf("the other file's mode is %v", info.Mode())
	}
}

// replacing puts a symbolic link in the place of the file that bind(2) has made.
type replacing struct {
	socket.Endpoint
	path, by string
}

func (r *replacing) Unwrap() socket.Endpoint { return r.Endpoint }
func (r *replacing) Bind(n socket.Name) error {
	b, _ := socket.As[socket.Binder](r.Endpoint)
	return errors.Join(b.Bind(n), os.Remove(r.path), os.Symlink(r.by, r.path))
}

// Of many programs that find a stale file one gets the name.
func TestUnixStaleRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	name, err := socket.UnixName(path)
	check(t, err)
	stale := unixDatagram.open(t)
	check(t, stale.Bind(name))
	check(t, stale.Close())
	var all sync.WaitGroup
	got := make(chan *socket.Socket, 20)
	for range cap(got) {
		all.Go(func() {
			s, err := bindUnix(t.Context(), unixDatagram, path)
			if err == nil {
				got <- s
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(got) != 1 {
		t.Errorf("%d got the name", len(got))
	}
	check(t, (<-got).Close())
}

// A socket that is bound and does not listen yet is not taken for one that was
// left behind.
func TestUnixNotYetListening(t *testing.T) {
	for _, k := range []testKind{unixStream, unixSeqPacket} {
		path := filepath.Join(t.TempDir(), "s")
		name, err := socket.UnixName(path)
		check(t, err)
		first := k.open(t)
		check(t, first.Bind(name))
		c := start(t, "Bind", func() error { _, err := bindUnix(t.Context(), k, path); return err })
		time.Sleep(10 * time.Millisecond) // so that it is likely to look before Listen
		check(t, first.Listen(1))
		c.end(syscall.EADDRINUSE)
		if _, err := os.Lstat(path); err != nil {
			t.Error("the file is gone:", err)
		}
		check(t, first.Close())
	}
}

// A lock that another program keeps does not make Bind wait for ever.
func TestUnixLockedFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	name, err := socket.UnixName(path)
	check(t, err)
	stale := unixStream.open(t)
	check(t, stale.Bind(name))
	check(t, stale.Close())
	folder, err := os.Open(filepath.Dir(path))
	check(t, err)
	defer folder.Close()
	check(t, syscall.Flock(int(folder.Fd()), syscall.LOCK_EX))
	ctx, cancel := context.WithCancel(t.Context())
	c := start(t, "Bind", func() error { _, err := bindUnix(ctx, unixStream, path); return err })
	cancel()
	c.end(context.Canceled)
	bound := make(chan *socket.Socket, 1)
	c = start(t, "Bind", func() error { s, err := bindUnix(t.Context(), unixStream, path); bound <- s; return err })
	check(t, syscall.Flock(int(folder.Fd()), syscall.LOCK_UN))
	c.end(nil)
	check(t, (<-bound).Close())
}

func TestUnixNames(t *testing.T) {
	each(t, unixKinds, func(t *testing.T, k testKind) {
		s, err := bindUnix(t.Context(), k, "@zocalo-test-"+t.Name())
		check(t, err)
		if got, want := s.Name().String(), "@zocalo-test-"+t.Name(); got != want {
			t.Errorf("the name is %q, want %q", got, want)
		}
		_, err = bindUnix(t.Context(), k, "@zocalo-test-"+t.Name())
		wantError(t, "a second one", err, syscall.EADDRINUSE)
		check(t, s.Close())
		_, err = bindUnix(t.Context(), k, strings.Repeat("x", 108))
		if err == nil || !strings.Contains(err.Error(), "107") {
			t.Errorf("a path too long: %v", err)
		}
		_, err = bindUnix(t.Context(), k, filepath.Join(t.TempDir(), "no", "folder"))
		wantError(t, "no folder", err, os.ErrNotExist)
		for _, long := range []string{strings.Repeat("a/", 53) + "a", "@" + strings.Repeat("a", 107)} {
			n, err := socket.UnixName(long)
			check(t, err)
			if n.Path() != long {
				t.Errorf("%q became %q", long, n.Path())
			}
			if long[0] == '@' {
				s := k.open(t)
				check(t, s.Bind(n))
				if s.Name() != n {
					t.Errorf("%q became %q", n, s.Name())
				}
			}
		}
	})
	// A relative path, and one that the program has left since.
	t.Chdir(t.TempDir())
	s, err := bindUnix(t.Context(), unixStream, "relative")
	check(t, err)
	here, err := os.Getwd()
	check(t, err)
	t.Chdir(t.TempDir())
	check(t, s.Close())
	if _, err := os.Lstat(filepath.Join(here, "relative")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left after Close: %v", err)
	}
}

// The file of a unix socket stays where it is told to.
func TestUnlinkClose(t *testing.T) {
	for _, removes := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "s")
		s, err := bindUnix(t.Context(), unixStream, path, option.Setting{Spec: option.UnlinkClose.Spec, Value: removes})
		check(t, err)
		if got, err := option.UnlinkClose.Get(s); got != removes || err != nil {
			t.Errorf("unlink-close is %v, %v; want %v", got, err, removes)
		}
		check(t, s.Close())
		if _, err := os.Lstat(path); (err == nil) == removes {
			t.Errorf("unlink-close=%v: %v", removes, err)
		}
	}
	if err := option.UnlinkClose.Set(tcp.bound(t), false); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a tcp socket has no file, and unlink-close said %v", err)
	}
}
