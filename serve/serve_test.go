package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zocalo/internal/testenv"
	"zocalo/process"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/scheme"
	"zocalo/socket/sockettest"
)

// The same program on every kind of connection: on the socket itself, and on a
// socket pair where there is no descriptor.
func TestCat(t *testing.T) {
	for name, k := range map[string]socket.Kind{
		"tcp": tcp, "unix": {Domain: socket.Unix, Type: socket.Stream}, "memory": {Domain: sockettest.Memory, Type: socket.Stream},
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			l, _ := served(t, &serve.Program{Command: process.Command{Args: []string{"cat"}}, Log: j.Logger()}, k)
			big := strings.Repeat("hola\n", 50_000)
			for _, input := range []string{"hola\n", ""} {
				if got := talk(t, l, input); got != input {
					t.Errorf("%q came back as %q", input, got)
				}
			}
			c := dial(t, l)
			go func() { io.WriteString(c, big); c.CloseWrite() }()
			if got, err := io.ReadAll(c); string(got) != big || err != nil {
				t.Errorf("%d bytes of %d came back, %v", len(got), len(big), err)
			}
			j.await(t, "program ended", `status="exit status 0"`)
		})
	}
}

// Messages stay messages through a socket pair.
func TestSeqPacketPair(t *testing.T) {
	var j journal
	p := &serve.Program{Command: process.Command{Args: []string{"cat"}}, Log: j.Logger()}
	l, _ := served(t, p, socket.Kind{Domain: sockettest.Memory, Type: socket.SeqPacket})
	c := dial(t, l)
	for _, message := range []string{"one", "two"} {
		io.WriteString(c, message)
	}
	for _, want := range []string{"one", "two"} {
		b := make([]byte, 100)
		if n, err := c.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("%q, %v; want %q", b[:n], err, want)
		}
	}
}

// Descriptors 0 and 1 are one socket, which blocks, and 2 is what was asked
// for.
func TestDescriptors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system has no /proc/self/fd")
	}
	// What this test inherited itself, a program of it inherits too.
	count, err := exec.Command("/bin/sh", "-c", "ls /proc/self/fd | wc -l").Output()
	if err != nil {
		t.Fatal(err)
	}
	for stderr, want := range map[serve.Stderr]string{serve.Log: "pipe:", serve.Socket: "socket:", serve.Discard: "/dev/null"} {
		var j journal
		p := &serve.Program{
			Command: sh("readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; grep flags /proc/self/fdinfo/0; ls /proc/self/fd | wc -l"),
			Stderr:  stderr, Log: j.Logger(),
		}
		l, _ := served(t, p, tcp)
		lines := strings.Split(talk(t, l, ""), "\n")
		if len(lines) < 5 || !strings.HasPrefix(lines[0], "socket:") || lines[0] != lines[1] || !strings.HasPrefix(lines[2], want) {
			t.Errorf("standard error %v: %q", stderr, lines)
			continue
		}
		if lines[3] != "flags:\t02" { // O_RDWR without O_NONBLOCK (04000)
			t.Errorf("%q, want O_RDWR alone", lines[3])
		}
		if n := strings.TrimSpace(lines[4]); n != strings.TrimSpace(string(count)) {
			t.Errorf("the program has %s descriptors, want %s", n, count)
		}
	}
}

func TestStderrLog(t *testing.T) {
	var j journal
	p := &serve.Program{Command: sh(`echo one >&2; head -c 5000 /dev/zero | tr '\0' x >&2; printf '\nlast' >&2; exit 3`), Log: j.Logger()}
	l, _ := served(t, p, tcp)
	talk(t, l, "")
	j.await(t, "line=one", "peer=127.0.0.1:")
	j.await(t, "line="+strings.Repeat("x", 4096)+"\n")
	j.await(t, "line="+strings.Repeat("x", 904)+"\n")
	j.await(t, "line=last")
	j.await(t, "program ended", `status="exit status 3"`)
}

func TestEnvironment(t *testing.T) {
	t.Setenv("TCPREMOTEIP", "of an outer server")
	var j journal
	k := socket.Kind{Domain: socket.Unix, Type: socket.Stream}
	l, _ := served(t, &serve.Program{Command: sh("env"), Log: j.Logger()}, k)
	env := "\n" + talk(t, l, "")
	for _, want := range []string{
		"PROTO=UNIX", "UNIXLOCALPATH=" + l.Name().Path(), "UNIXREMOTEPATH=", "ZOCALO_PEER=", fmt.Sprint("UNIXLOCALUID=", os.Geteuid()),
		fmt.Sprint("UNIXREMOTEEUID=", os.Geteuid()), fmt.Sprint("UNIXREMOTEEGID=", os.Getegid()), fmt.Sprint("UNIXREMOTEPID=", os.Getpid()),
	} {
		if !strings.Contains(env, "\n"+want+"\n") {
			t.Errorf("no %s in %s", want, env)
		}
	}
	if strings.Contains(env, "TCPREMOTEIP") {
		t.Error("the environment tells of another connection")
	}

	l, _ = served(t, &serve.Program{Command: sh("env"), Log: j.Logger()}, tcp)
	c := dial(t, l)
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	env = "\n" + string(out)
	for _, want := range []string{
		"PROTO=TCP", "TCPREMOTEIP=127.0.0.1", fmt.Sprint("TCPREMOTEPORT=", c.Name().AddrPort().Port()), "ZOCALO_PEER=" + c.Name().String(),
		"TCPLOCALIP=127.0.0.1", fmt.Sprint("TCPLOCALPORT=", l.Name().AddrPort().Port()),
	} {
		if !strings.Contains(env, "\n"+want+"\n") {
			t.Errorf("no %s in %s", want, env)
		}
	}
}

// What needs the shim is set, and so is the rest beside it.
func TestShim(t *testing.T) {
	var j journal
	mask := fs.FileMode(0o027)
	limit, err := process.ParseLimit("nofile=77:99")
	if err != nil {
		t.Fatal(err)
	}
	c := sh("umask; ulimit -Sn; ulimit -Hn; pwd; echo $0")
	c.Umask, c.Limits, c.Dir = &mask, []process.Limit{limit}, "/"
	want := "0027\n77\n99\n/\n/bin/sh\n"
	if os.Geteuid() == 0 {
		c.Args[2] += "; id -u; id -G"
		c.User = &process.User{UID: 65534, GID: 65534, Groups: []int{65534}}
		want += "65534\n65534\n"
	}
	l, _ := served(t, &serve.Program{Command: c, Log: j.Logger()}, tcp)
	if got := talk(t, l, ""); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A connection without a program is reset, rather than ended as if the program
// had said nothing.
func TestNotStarted(t *testing.T) {
	for name, k := range map[string]socket.Kind{"tcp": tcp, "memory": {Domain: sockettest.Memory, Type: socket.Stream}} {
		t.Run(name, func(t *testing.T) {
			var j journal
			l, _ := served(t, &serve.Program{Command: process.Command{Args: []string{"/etc/passwd"}}, Log: j.Logger()}, k)
			c, err := socket.New(k.Domain, k.Type, k.Protocol)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err = c.Connect(t.Context(), l.Name()); err == nil { // the reset may come as early as that
				_, err = c.Read(make([]byte, 1))
			}
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a connection that no program serves: %v", err)
			}
			j.await(t, "not served", "permission denied", "it must be executable")
		})
	}
}

// A program that never reads, one that exits at once, one that forks.
func TestManners(t *testing.T) {
	var j journal
	p := &serve.Program{Command: sh("exit 0"), Log: j.Logger()}
	l, _ := served(t, p, tcp)
	if got := talk(t, l, ""); got != "" {
		t.Errorf("%q of a program that exits at once", got)
	}

	l, stop := served(t, &serve.Program{Command: sh("echo here; exec sleep 1000"), Log: j.Logger()}, tcp)
	c := dial(t, l)
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := c.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a program that never reads took 64 MiB: ", err)
	}
	stop()
	j.await(t, "program ended", "terminated")

	l, stop = served(t, &serve.Program{Command: sh("(sleep 0.2; echo child; exec sleep 1000) & echo parent"), Log: j.Logger()}, tcp)
	c = dial(t, l)
	b := make([]byte, len("parent\nchild\n"))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "parent\nchild\n" {
		t.Errorf("%q, %v of a program that forks", b, err)
	}
	stop() // ends the child too, or the connection would stay
	if _, err := c.Read(b); err == nil {
		t.Error("the child outlived the server")
	}
}

// The answer of a program that reads nothing of its input arrives whole.
func TestUnreadInput(t *testing.T) {
	unix := socket.Kind{Domain: socket.Unix, Type: socket.Stream}
	for _, k := range []socket.Kind{tcp, unix} {
		var j journal
		l, _ := served(t, &serve.Program{Command: sh("head -c 1000000 /dev/zero"), Log: j.Logger()}, k)
		c := dial(t, l)
		if _, err := io.WriteString(c, "a question"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if len(got) != 1_000_000 || err != nil {
			t.Errorf("%v: %d bytes, %v", k, len(got), err)
		}
	}
}

// The program of a client that has reset the connection is ended, though it never
// looks at its socket.
func TestClientGone(t *testing.T) {
	var j journal
	l, _ := served(t, &serve.Program{Command: sh("echo in; exec sleep 1000"), Grace: 10 * time.Millisecond, Log: j.Logger()}, tcp)
	c := dial(t, l)
	if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	c.Abort()
	j.await(t, "program ended", "terminated")
}

func TestTimeout(t *testing.T) {
	var j journal
	p := &serve.Program{
		Command: sh(`trap "" TERM; echo in; while :; do sleep 1000; done`), Timeout: 3 * time.Second, Grace: 50 * time.Millisecond, Log: j.Logger(),
	}
	l, _ := served(t, p, tcp)
	// What is cut short does not end as what is whole.
	if got, err := io.ReadAll(dial(t, l)); string(got) != "in\n" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", got, err)
	}
	j.await(t, "ran for too long")
	j.await(t, "program ended", "killed")
}

// The time counts on when the program has ended and its words are still on their
// way: a peer that does not read them is not waited for.
func TestTimeoutOfWords(t *testing.T) {
	var j journal
	p := &serve.Program{Command: sh("exec head -c 150000 /dev/zero"), Timeout: 500 * time.Millisecond, Log: j.Logger()}
	l, _ := served(t, p, socket.Kind{Domain: sockettest.Memory, Type: socket.Stream})
	c := dial(t, l)
	j.await(t, "program ended", `"exit status 0"`)
	j.await(t, "the peer does not read")
	if n, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestPython(t *testing.T) {
	needs(t, "python3")
	var j journal
	p := &serve.Program{Log: j.Logger(), Command: process.Command{Args: []string{"python3", "-c",
		"import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"}}}
	l, _ := served(t, p, tcp)
	if got := talk(t, l, "hola\nmundo\n"); got != "aloh\nodnum\n" {
		t.Errorf("%q", got)
	}
}

func TestTerminal(t *testing.T) {
	needs(t, "bash")
	var j journal
	p := &serve.Program{Command: process.Command{Args: []string{"bash", "--norc", "-i"}}, Terminal: true, Log: j.Logger()}
	l, _ := served(t, p, tcp)
	got := talk(t, l, "tty; echo $((40+2)); stty size\n") // end-of-file ends it
	for _, want := range []string{"\n42\r", "24 80", "exit"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "no job control") {
		t.Errorf("bash has no terminal of its own: %q", got)
	}
}

// A client that goes takes the terminal with it.
func TestTerminalHangup(t *testing.T) {
	testenv.Signal(t, syscall.SIGHUP)
	var j journal
	p := &serve.Program{Command: sh("echo in; exec sleep 1000"), Terminal: true, Log: j.Logger()}
	l, _ := served(t, p, tcp)
	c := dial(t, l)
	if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	c.Abort()
	j.await(t, "program ended", "hangup")
}

// Each peer of a datagram socket has a program, until it is idle.
func TestDatagrams(t *testing.T) {
	var j journal
	p := &serve.Program{Command: process.Command{Args: []string{"cat"}}, Log: j.Logger()}
	k := socket.Kind{Domain: socket.Inet, Type: socket.Datagram}
	l := bound(t, k)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	// Long enough for a program to start and to answer, on a busy machine.
	sessions := &server.Sessions{Drain: time.Nanosecond, Idle: 4 * time.Second, Handler: func(ctx context.Context, c *socket.Socket) {
		if err := p.Serve(ctx, c); err != nil {
			t.Error(err)
		}
	}}
	go func() { done <- sessions.Serve(ctx, l) }()
	a, b := dial(t, l), dial(t, l)
	for _, c := range []*socket.Socket{a, b} {
		for _, message := range []string{"one", "two"} {
			io.WriteString(c, message)
			got := make([]byte, 10)
			if n, err := c.Read(got); string(got[:n]) != message || err != nil {
				t.Errorf("%q, %v; want %q", got[:n], err, message)
			}
		}
	}
	for _, c := range []*socket.Socket{a, b} {
		j.await(t, "program ended", "peer="+c.Name().String(), "terminated")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A program that takes an empty message for the end of its input, and ends without
// a word, has its peer told so.
func TestDatagramEmpty(t *testing.T) {
	p := &serve.Program{Command: process.Command{Args: []string{"cat"}}}
	l := bound(t, socket.Kind{Domain: socket.Inet, Type: socket.Datagram})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	sessions := &server.Sessions{Drain: time.Nanosecond, Handler: func(ctx context.Context, c *socket.Socket) { p.Serve(ctx, c) }}
	go func() { done <- sessions.Serve(ctx, l) }()
	c := dial(t, l)
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	c.Write(nil)
	if n, err := c.Read(make([]byte, 10)); n != 0 || err != nil {
		t.Errorf("the answer is of %d bytes, %v; want an empty one", n, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What a program says last arrives, and an empty message is one.
func TestDatagramLastWords(t *testing.T) {
	needs(t, "python3")
	var j journal
	p := &serve.Program{Log: j.Logger(), Command: process.Command{Args: []string{"python3", "-c",
		"import socket\ns = socket.socket(fileno=0)\nn = len(s.recv(100))\nfor i in range(100): s.send(b'%d %d' % (n, i))"}}}
	l := bound(t, socket.Kind{Domain: socket.Inet, Type: socket.Datagram})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	sessions := &server.Sessions{Drain: time.Nanosecond, Handler: func(ctx context.Context, c *socket.Socket) { p.Serve(ctx, c) }}
	go func() { done <- sessions.Serve(ctx, l) }()
	c := dial(t, l)
	c.Write(nil)
	b := make([]byte, 10)
	for i := range 100 {
		if n, err := c.Read(b); string(b[:n]) != fmt.Sprint("0 ", i) || err != nil {
			t.Fatalf("%q, %v; want 0 %d", b[:n], err, i)
		}
	}
	j.await(t, "program ended", `"exit status 0"`)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// handedOver runs ServeListener, and gives back what a client reads, twice.
func handedOver(t *testing.T, how serve.Handover, script string) {
	needs(t, "python3")
	var j journal
	p := &serve.Program{Log: j.Logger(), Command: process.Command{Args: []string{"python3", "-c", script}}}
	l := bound(t, tcp)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.ServeListener(ctx, ctx, how, l) }()
	for range 2 { // each accepted by a program of its own
		if got := talk(t, l, ""); got != "served" {
			t.Errorf("%q", got)
		}
	}
	j.await(t, "program ended", `"exit status 0"`)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWait(t *testing.T) {
	handedOver(t, serve.Wait, "import socket\ns = socket.socket(fileno=0)\nc, _ = s.accept()\nc.send(b'served')")
}

func TestActivate(t *testing.T) {
	handedOver(t, serve.Activate, "import os, socket\n"+
		"assert os.environ['LISTEN_FDS'] == '1' and os.environ['LISTEN_FDNAMES'] == 'tcp' and int(os.environ['LISTEN_PID']) == os.getpid()\n"+
		"s = socket.socket(fileno=3)\nc, _ = s.accept()\nc.send(b'served')")
}

// A program that leaves the connection is started again, with pauses.
func TestWaitLeaves(t *testing.T) {
	var j journal
	l := bound(t, tcp)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	began := time.Now()
	go func() {
		done <- (&serve.Program{Command: sh("exit 0"), Log: j.Logger()}).ServeListener(ctx, ctx, serve.Wait, l)
	}()
	dial(t, l)
	for strings.Count(j.String(), "program ended") < 4 {
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(began); took < (5+10+20)*time.Millisecond {
		t.Errorf("four starts within %v", took)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// exhausted leaves this process no descriptors, until release is called or the
// test ends. one frees a single one.
func exhausted(t *testing.T) (one, release func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 100
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	free := func(n int) {
		for _, f := range taken[:n] {
			f.Close()
		}
		taken = taken[n:]
	}
	release = sync.OnceFunc(func() { free(len(taken)) })
	t.Cleanup(func() {
		release()
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	})
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			return func() { free(1) }, release
		}
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, f)
	}
}

// Clients for whom there are no descriptors wait: one that was accepted for its
// program, the others in the queue.
func TestShort(t *testing.T) {
	var j journal
	l, _ := served(t, &serve.Program{Command: process.Command{Args: []string{"cat"}}, Log: j.Logger()}, tcp)
	last := dial(t, l)
	c, err := socket.New(tcp.Domain, tcp.Type, tcp.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(last, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(last, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	one, release := exhausted(t)
	if err := c.Connect(t.Context(), l.Name()); err != nil {
		t.Fatal(err)
	}
	one()
	j.await(t, "no program can be started", "too many open files")
	release()
	if _, err := io.WriteString(c, "hola"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "hola" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A server that is out of descriptors goes on when there are some again.
func TestWaitShort(t *testing.T) {
	var j journal
	l := bound(t, tcp)
	dial(t, l)
	_, release := exhausted(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		p := &serve.Program{Command: sh("exit 0"), Log: j.Logger()}
		done <- p.ServeListener(ctx, ctx, serve.Wait, l)
	}()
	j.await(t, "what waits has no program yet", "too many open files")
	release()
	j.await(t, "program ended", `"exit status 0"`)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHandoverErrors(t *testing.T) {
	l := bound(t, socket.Kind{Domain: sockettest.Memory, Type: socket.Stream})
	p := &serve.Program{Command: sh("exit 0")}
	if err := p.ServeListener(t.Context(), t.Context(), serve.Wait, l); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a socket without a descriptor: %v", err)
	}
	p = &serve.Program{Command: process.Command{Args: []string{"/etc/passwd"}}}
	tcpListener := bound(t, tcp)
	dial(t, tcpListener)
	if err := p.ServeListener(t.Context(), t.Context(), serve.Wait, tcpListener); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a program that is none: %v", err)
	}
}

// A real server made for inetd, driven by its own client.
func TestGitDaemon(t *testing.T) {
	needs(t, "git")
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.WaitDelay = time.Second
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	if out, err := exec.Command("git", "daemon", "-h").CombinedOutput(); err != nil && strings.Contains(string(out), "not a git command") {
		t.Skip("git has no daemon here")
	}
	git("init", "-q", "origin")
	if err := os.WriteFile(filepath.Join(dir, "origin", "file"), []byte(strings.Repeat("content\n", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	git("-C", "origin", "add", "file")
	git("-C", "origin", "commit", "-q", "-m", "first")
	var j journal
	p := &serve.Program{Log: j.Logger(), Command: process.Command{
		Args: []string{"git", "daemon", "--inetd", "--export-all", "--base-path=" + dir, dir},
		Env:  append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"),
	}}
	l, _ := served(t, p, tcp)
	git("clone", "-q", "git://"+l.Name().String()+"/origin", "clone")
	got, err := os.ReadFile(filepath.Join(dir, "clone", "file"))
	if err != nil || len(got) != 80_000 {
		t.Errorf("the clone has %d bytes, %v", len(got), err)
	}
	j.await(t, "program ended", `"exit status 0"`)
}

// No descriptor, and no zombie, is left of many connections.
func TestNothingLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system has no /proc/self/fd")
	}
	var j journal
	l, stop := served(t, &serve.Program{Command: sh("echo x >&2"), Log: j.Logger()}, tcp)
	descriptors := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	once := func() {
		c := dial(t, l)
		io.ReadAll(c)
		c.Close()
	}
	once()
	before := descriptors()
	for range 50 {
		once()
	}
	for range patience {
		if strings.Count(j.String(), "program ended") == 51 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child was not reaped: %v", err)
	}
}

// Who imports this package does not get a program that any address can have run.
func TestProgramsAreNotDialable(t *testing.T) {
	if s, ok := scheme.Lookup("exec"); ok {
		t.Errorf("scheme %s is known, though nobody called process.Register", s.Name)
	}
}
