package zocalo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zocalo"
	"zocalo/address"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

func itoa(n int) string { return strconv.Itoa(n) }

func port(l *zocalo.Listener) string { return itoa(int(l.Name().AddrPort().Port())) }

// A host's names are tried until one answers, whichever it is.
func TestDialLocalhost(t *testing.T) {
	hosts := []string{"127.0.0.1"}
	if hasIPv6() {
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		t.Run(host, func(t *testing.T) {
			l := listen(t, "tcp:"+host+":0")
			s, err := zocalo.Dial(t.Context(), "tcp:localhost:"+port(l))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Peer() != l.Name() {
				t.Errorf("connected to %v, want %v", s.Peer(), l.Name())
			}
		})
	}
}

// Where there is no listener, TCP may connect a socket to itself.
func TestDialItself(t *testing.T) {
	free := listen(t, "tcp:127.0.0.1:0")
	name := free.Name().String()
	free.Close()
	s, err := zocalo.Dial(t.Context(), "tcp:"+name+",bind="+name)
	if s != nil {
		s.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "itself") {
		t.Errorf("Dial's error is %v, want a refusal", err)
	}
}

func TestDialBind(t *testing.T) {
	l := listen(t, "tcp:127.0.0.1:0")
	sources := []string{"127.0.0.1"}
	if runtime.GOOS == "linux" { // which has all of 127/8
		sources = append(sources, "127.0.0.2")
	}
	for _, source := range sources {
		t.Run(source, func(t *testing.T) {
			s, err := zocalo.Dial(t.Context(), "tcp:"+l.Name().String()+",bind="+source)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := s.Name().AddrPort().Addr().String(); got != source {
				t.Errorf("it comes from %s, want %s", got, source)
			}
		})
	}
	t.Run("port", func(t *testing.T) {
		free := listen(t, "tcp:127.0.0.1:0")
		want := port(free)
		free.Close()
		s, err := zocalo.Dial(t.Context(), "tcp:localhost:"+port(l)+",bind=:"+want)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got := itoa(int(s.Name().AddrPort().Port())); got != want {
			t.Errorf("it comes from port %s, want %s", got, want)
		}
	})
	t.Run("another domain", func(t *testing.T) {
		_, err := zocalo.Dial(t.Context(), "tcp:"+l.Name().String()+",bind=[::1]:0")
		var oe *address.OptionError
		if !errors.As(err, &oe) {
			t.Errorf("the error is %v, want an OptionError", err)
		}
	})
	t.Run("unix", func(t *testing.T) {
		dir := t.TempDir()
		l := listen(t, "unix-dgram:"+dir+"/server")
		s, err := zocalo.Dial(t.Context(), "unix-dgram:"+dir+"/server,bind="+dir+"/client")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.Name().Path(), dir+"/client"; got != want || s.Peer() != l.Name() {
			t.Errorf("it is %s to %v, want %s to %v", got, s.Peer(), want, l.Name())
		}
		s.Close()
		if _, err := os.Lstat(dir + "/client"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the client's file is still there: %v", err)
		}
	})
}

func TestDialRealErrors(t *testing.T) {
	closed := listen(t, "tcp:127.0.0.1:0")
	refused := closed.Name().String()
	closed.Close()
	missing := filepath.Join(t.TempDir(), "missing")
	dgram := "unix-dgram:" + filepath.Join(t.TempDir(), "s")
	listen(t, dgram)
	for _, c := range []struct {
		address string
		err     error
		advice  string
	}{
		{"tcp:" + refused, syscall.ECONNREFUSED, "nothing is listening there"},
		{"unix:" + missing, syscall.ENOENT, "there is no such socket"},
		{strings.Replace(dgram, "-dgram", "", 1), syscall.EPROTOTYPE, "another type"},
		{"fd:12345", syscall.EBADF, "nothing was inherited"},
		{"file:" + missing, fs.ErrNotExist, missing},
		{"tcp:any:1", nil, "name a host to connect to"},
		{"tcp:localhost:0", nil, "port 0"},
	} {
		t.Run(c.address, func(t *testing.T) {
			s, err := zocalo.Dial(t.Context(), c.address)
			if err == nil {
				s.Close()
				t.Fatal("it succeeds")
			}
			if c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.advice) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v, want %v and %q, in a line", err, c.err, c.advice)
			}
		})
	}
}

// A server whose queue is full does not answer.
func TestDialFullQueue(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux makes connect wait for room in a unix socket's queue")
	}
	path := filepath.Join(t.TempDir(), "s")
	listen(t, "unix:"+path+",backlog=1")
	for range 2 { // Linux lets one more wait than the backlog says
		s, err := zocalo.Dial(t.Context(), "unix:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	_, err := zocalo.Dial(t.Context(), "unix:"+path+",connect-timeout=20ms")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "within 20 ms") {
		t.Errorf("the error is %v, want one of the timeout", err)
	}
}

// registerListed adds a scheme like tcp, whose endpoint is names with + between.
func registerListed() {
	tcp, _ := scheme.Lookup("tcp")
	listed := *tcp
	listed.Name, listed.Aliases = "listed", nil
	listed.Resolve = func(_ context.Context, t scheme.Target) (names []socket.Name, err error) {
		for text := range strings.SplitSeq(t.Endpoint, "+") {
			ap, err := netip.ParseAddrPort(text)
			if err != nil {
				return nil, err
			}
			names = append(names, socket.InetName(ap))
		}
		return names, nil
	}
	scheme.Register(&listed)
}

// A host with an address that swallows what is sent to it is reached by its
// other one, from the same source if one is given.
func TestDialBlackHole(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux answers nothing when a queue is full, and has all of 127/8")
	}
	hole := listen(t, "tcp:127.0.0.1:0,backlog=1")
	for range 2 { // one more than the backlog
		dialName(t, hole.Name())
	}
	l := listen(t, "tcp:127.0.0.2:0")
	free := listen(t, "tcp:127.0.0.1:0")
	source := port(free)
	free.Close()
	for _, option := range []string{"", ",bind=:" + source} {
		d := zocalo.Dialer{AttemptDelay: zocalo.LeastAttemptDelay}
		s, err := d.Dial(t.Context(), fmt.Sprintf("listed:%v+%v%s", hole.Name(), l.Name(), option))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Peer() != l.Name() {
			t.Errorf("connected to %v, want %v", s.Peer(), l.Name())
		}
		if got := itoa(int(s.Name().AddrPort().Port())); option != "" && got != source {
			t.Errorf("it comes from port %s, want %s", got, source)
		}
	}
	_, err := zocalo.Dial(t.Context(), fmt.Sprintf("listed:%v+%v,connect-timeout=20ms", hole.Name(), hole.Name()))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v, want one of the timeout", err)
	}
}

func TestDialFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("hola"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := zocalo.Dial(t.Context(), "file:"+path+",rdonly")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := make([]byte, 16)
	if n, err := s.Read(b); err != nil || string(b[:n]) != "hola" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// A source port that somebody has is no port of a listener that is taken.
func TestSourcePortInUse(t *testing.T) {
	l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own := l.Name().String()
	s, err := zocalo.Dial(t.Context(), "tcp:"+own+",bind="+own)
	if err == nil {
		s.Close()
		t.Fatal("the name of a listener was had a second time")
	}
	if !strings.Contains(err.Error(), "source port") || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
}
