package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zocalo/internal/testenv"
)

// A command is zocalo as another process, with its standard streams in the
// test's hands.
type command struct {
	*exec.Cmd
	in       io.WriteCloser
	out, err *bufio.Reader
}

// start starts zocalo, which testscript.Main has put into PATH.
func start(t *testing.T, args ...string) *command {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptPatience)
	t.Cleanup(cancel)
	c := &command{Cmd: exec.CommandContext(ctx, "zocalo", args...)}
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	errs, err := c.StderrPipe()
	must(t, err)
	c.in, c.out, c.err = in, bufio.NewReader(out), bufio.NewReader(errs)
	must(t, c.Start())
	return c
}

// exits waits for the exit status, and returns what stood on standard error.
func (c *command) exits(t *testing.T, status int) string {
	t.Helper()
	said, err := io.ReadAll(c.err)
	must(t, err)
	c.Wait()
	if got := c.ProcessState.ExitCode(); got != status {
		t.Fatalf("exit status %d, want %d; standard error: %s", got, status, said)
	}
	return string(said)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(scriptPatience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatal("never: ", what)
}

// serverTCP listens on a TCP port of the system's choice.
func serverTCP(t *testing.T) (*net.TCPListener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener), "tcp:" + l.Addr().String()
}

// accept takes the next connection.
func accepted(t *testing.T, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	must(t, l.SetDeadline(time.Now().Add(scriptPatience)))
	c, err := l.AcceptTCP()
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(scriptPatience)))
	return c
}

// expect reads what was said.
func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// A signal ends a conversation in order, without a word, with the status that
// shells know it by.
func TestTalkInterrupted(t *testing.T) {
	for signal, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(signal.String(), func(t *testing.T) {
			testenv.Signal(t, signal)
			l, address := serverTCP(t)
			c := start(t, "talk", address)
			peer := accepted(t, l)
			io.WriteString(c.in, "hello\n")
			expect(t, peer, "hello\n")
			must(t, c.Process.Signal(signal))
			if said := c.exits(t, status); said != "" {
				t.Errorf("standard error: %q", said)
			}
			if n, err := peer.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the peer read %d, %v; want end-of-file", n, err)
			}
		})
	}
}

// echo on a program is a server too, which a signal ends well.
func TestEchoOfProgramInterrupted(t *testing.T) {
	c := start(t, "echo", "exec:sh -c 'echo ready >&2; exec cat'")
	if line, err := c.err.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	must(t, c.Process.Signal(syscall.SIGTERM))
	c.exits(t, 0)
}

// So it does while it connects, and while it listens.
func TestInterruptedBefore(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	for _, args := range [][]string{
		{"talk", "-v", "--repeat", "unix:" + fifo + ".none"},
		{"listen", "unix:" + fifo + ".sock"},
	} {
		c := start(t, args...)
		if _, err := c.err.ReadString('\n'); err != nil { // it waits from here on
			t.Fatal(err)
		}
		must(t, c.Process.Signal(syscall.SIGINT))
		c.exits(t, statusInterrupted)
	}
	if _, err := os.Lstat(fifo + ".sock"); err == nil {
		t.Error("the socket's file is still there")
	}
}

// A reset is an error that says so.
func TestTalkReset(t *testing.T) {
	l, address := serverTCP(t)
	c := start(t, "talk", address)
	peer := accepted(t, l)
	io.WriteString(c.in, "hello\n")
	expect(t, peer, "hello\n") // the connection stands for both
	must(t, peer.SetLinger(0))
	must(t, peer.Close())
	said := c.exits(t, statusFailed)
	if !strings.Contains(said, "connection reset by peer: the peer reset the connection") || strings.Count(said, "\n") != 1 {
		t.Errorf("standard error: %q", said)
	}
}

// The peer's end leaves the other direction open, and standard output ends.
func TestTalkHalfClosed(t *testing.T) {
	l, address := serverTCP(t)
	c := start(t, "talk", address)
	peer := accepted(t, l)
	io.WriteString(peer, "bye\n")
	must(t, peer.CloseWrite())
	if out, err := io.ReadAll(c.out); err != nil || string(out) != "bye\n" {
		t.Fatalf("standard output: %q, %v", out, err)
	}
	io.WriteString(c.in, "still here\n")
	expect(t, peer, "still here\n")
	must(t, c.in.Close())
	if rest, err := io.ReadAll(peer); err != nil || len(rest) > 0 {
		t.Fatalf("the peer read %q, %v", rest, err)
	}
	c.exits(t, statusOK)
}

// --repeat waits for a server, and for it to come back.
func TestTalkRepeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c := start(t, "talk", "--repeat", "unix:"+path)
	said, err := c.err.ReadString('\n')
	must(t, err)
	if !strings.Contains(said, "connecting again") || !strings.Contains(said, "no such file") {
		t.Errorf("standard error: %q", said)
	}
	go io.Copy(io.Discard, c.err)
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	first, err := l.Accept()
	must(t, err)
	io.WriteString(c.in, "one\n")
	expect(t, first, "one\n")
	must(t, first.Close()) // talk cannot tell this from a half-close
	second, err := l.Accept()
	must(t, err)
	defer second.Close()
	io.WriteString(c.in, "two\n")
	expect(t, second, "two\n")
	io.WriteString(second, "2\n")
	expect(t, c.out, "2\n")
	must(t, c.in.Close())
	expect(t, second, "")
	must(t, second.Close())
	c.Wait()
	if got := c.ProcessState.ExitCode(); got != 0 {
		t.Errorf("exit status %d", got)
	}
}

// A file is sent by each connection.
func TestTalkRepeatsFile(t *testing.T) {
	l, address := serverTCP(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("request"), 0o600))
	in, err := os.Open(file)
	must(t, err)
	defer in.Close()
	ctx, cancel := context.WithTimeout(t.Context(), scriptPatience)
	defer cancel()
	c := exec.CommandContext(ctx, "zocalo", "talk", "--repeat=2", address)
	var out bytes.Buffer
	c.Stdin, c.Stdout = in, &out
	must(t, c.Start())
	for range 3 {
		peer := accepted(t, l)
		got, err := io.ReadAll(peer)
		if err != nil || string(got) != "request" {
			t.Fatalf("the peer read %q, %v", got, err)
		}
		io.WriteString(peer, "answer")
		must(t, peer.Close())
	}
	must(t, c.Wait())
	if out.String() != "answeransweranswer" {
		t.Errorf("standard output: %q", out.String())
	}
}

// A socket that does not answer is silent.
func TestProbeSilent(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c := start(t, "talk", "--probe", "--connect-timeout", "20ms", "udp:"+l.LocalAddr().String())
	line, err := c.out.ReadString('\n')
	must(t, err)
	if !strings.HasPrefix(line, "udp:"+l.LocalAddr().String()+" is silent (") {
		t.Errorf("standard output: %q", line)
	}
	c.exits(t, statusFailed)
}

// Nobody answers at an address that takes no connections: the bound holds.
func TestTalkConnectTimeout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	full := fill(t, path)
	if !full {
		t.Skip("this system's queue of connections has no end")
	}
	c := start(t, "talk", "--connect-timeout", "10ms", "unix:"+path)
	if said := c.exits(t, statusFailed); !strings.Contains(said, "no answer came within 10 ms") {
		t.Errorf("standard error: %q", said)
	}
}

// fill connects to a listener until its queue takes no more.
func fill(t *testing.T, path string) bool {
	for range 10000 {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return false
		}
		t.Cleanup(func() { syscall.Close(fd) })
		must(t, syscall.SetNonblock(fd, true))
		switch err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err {
		case nil:
		case syscall.EAGAIN:
			return true
		default:
			return false
		}
	}
	return false
}

// Datagrams that come while another peer has its turn wait for their own.
func TestListenKeepsDatagrams(t *testing.T) {
	const peers, each = 4, 10
	c := start(t, "listen", "--keep", "--idle", "200ms", "udp:127.0.0.1:0")
	line, err := c.err.ReadString('\n')
	must(t, err)
	address := strings.TrimSpace(strings.TrimPrefix(line, "listening on udp:"))
	var conns [peers]net.Conn
	for i := range conns {
		conns[i], err = net.Dial("udp", address)
		must(t, err)
		defer conns[i].Close()
	}
	want := map[string]bool{}
	for n := range each {
		for i, conn := range conns {
			text := fmt.Sprintf("%d of %d", n, i)
			want[text] = true
			_, err := io.WriteString(conn, text)
			must(t, err)
		}
	}
	for range peers * each {
		line, err := c.out.ReadString('\n')
		must(t, err)
		delete(want, strings.TrimSpace(line))
	}
	if len(want) > 0 {
		t.Errorf("not heard: %v", want)
	}
	must(t, c.Process.Signal(syscall.SIGTERM))
	c.exits(t, 0)
}

// Whatever is of a conversation is refused where none is held, but for -u, which is of the
// address.
func TestTalkFlags(t *testing.T) {
	var cmd cobra.Command
	new(conversation).flags(&cmd)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "udp" && !slices.Contains(talkFlags, f.Name) {
			t.Errorf("--%s has no effect with --probe and --ping, and is not refused", f.Name)
		}
	})
}
