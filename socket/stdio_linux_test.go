package socket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zocalo/socket"
	"zocalo/socket/scheme"
)

// The tests of inherited descriptors run this program again, as a child that
// opens what the variable says, and echoes what comes.
const childVariable = "ZOCALO_TEST_CHILD"

func init() {
	what := os.Getenv(childVariable)
	if what == "" {
		return
	}
	if err := child(what); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(what string) error {
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // as the service manager would
	word, endpoint, _ := strings.Cut(what, ":")
	sc, _ := scheme.Lookup(word)
	s, err := sc.Open(context.Background(), scheme.Target{Endpoint: endpoint})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, s.Kind())
	if _, err := io.Copy(s, s); err != nil {
		return err
	}
	if err := s.Shutdown(socket.ShutdownWrite); err != nil {
		return err
	}
	return s.Close()
}

// echoes runs a child and tests that it echoes.
func echoes(t *testing.T, what, kind string, in io.Writer, out io.Reader, prepare func(*exec.Cmd), closeIn func() error) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childVariable+"="+what)
	var said bytes.Buffer
	c.Stderr = &said
	prepare(c)
	check(t, c.Start())
	for _, f := range c.ExtraFiles {
		f.Close()
	}
	for _, f := range []any{c.Stdin, c.Stdout} {
		if f, ok := f.(*os.File); ok {
			f.Close()
		}
	}
	data := random(300000)
	go func() {
		in.Write(data)
		closeIn()
	}()
	got, err := io.ReadAll(out)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(data), err)
	}
	if err := c.Wait(); err != nil || strings.TrimSpace(said.String()) != kind {
		t.Errorf("the child said %q, %v; want %q", said.String(), err, kind)
	}
}

func TestStdio(t *testing.T) {
	t.Run("pipes", func(t *testing.T) {
		inR, inW, err := os.Pipe()
		check(t, err)
		outR, outW, err := os.Pipe()
		check(t, err)
		defer outR.Close()
		echoes(t, "stdio", "file", inW, outR, func(c *exec.Cmd) { c.Stdin, c.Stdout = inR, outW }, inW.Close)
	})
	each(t, []testKind{tcp, unixStream}, func(t *testing.T, k testKind) {
		t.Run("one socket", func(t *testing.T) {
			a, b := k.pair(t)
			f, err := b.File()
			check(t, err)
			check(t, b.Close())
			echoes(t, "stdio", k.String(), a, struct{ io.Reader }{a}, func(c *exec.Cmd) { c.Stdin, c.Stdout = f, f }, func() error { return a.Shutdown(socket.ShutdownWrite) })
		})
		t.Run("fd:3", func(t *testing.T) {
			a, b := k.pair(t)
			f, err := b.File()
			check(t, err)
			check(t, b.Close())
			echoes(t, "fd:3", k.String(), a, struct{ io.Reader }{a}, func(c *exec.Cmd) { c.ExtraFiles = []*os.File{f} }, func() error { return a.Shutdown(socket.ShutdownWrite) })
		})
		t.Run("fd by name", func(t *testing.T) {
			a, b := k.pair(t)
			f, err := b.File()
			check(t, err)
			check(t, b.Close())
			echoes(t, "fd:second", k.String(), a, struct{ io.Reader }{a}, func(c *exec.Cmd) {
				null, err := os.Open(os.DevNull)
				check(t, err)
				c.ExtraFiles = []*os.File{null, f}
				c.Env = append(c.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=first:second")
			}, func() error { return a.Shutdown(socket.ShutdownWrite) })
		})
	})
	t.Run("more announced than there are", func(t *testing.T) {
		a, b := tcp.pair(t)
		f, err := b.File()
		check(t, err)
		check(t, b.Close())
		echoes(t, "fd:LISTEN_FD_3", tcp.String(), a, struct{ io.Reader }{a}, func(c *exec.Cmd) {
			c.ExtraFiles = []*os.File{f}
			c.Env = append(c.Env, "LISTEN_FDS=2147483647")
		}, func() error { return a.Shutdown(socket.ShutdownWrite) })
	})
	t.Run("numbers that no descriptor has", func(t *testing.T) {
		sc, _ := scheme.Lookup("fd")
		for _, number := range []string{"-1", "4294967298", "99999999999999999999"} {
			if s, err := sc.Open(t.Context(), scheme.Target{Endpoint: number}); err == nil || !strings.Contains(err.Error(), "is not a descriptor") {
				t.Errorf("fd:%s is %v, %v", number, s, err)
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		// The runtime puts /dev/null in the place of what is closed.
		pid, err := syscall.ForkExec(os.Args[0], os.Args[:1], &syscall.ProcAttr{Env: append(os.Environ(), childVariable+"=stdio")})
		check(t, err)
		var status syscall.WaitStatus
		_, err = syscall.Wait4(pid, &status, 0, nil)
		check(t, err)
		if status.ExitStatus() != 0 {
			t.Errorf("exit status %v", status)
		}
	})
}
