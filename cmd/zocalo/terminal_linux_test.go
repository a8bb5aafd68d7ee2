package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"zocalo"
	"zocalo/internal/testenv"
)

// A desk is a terminal with what it shows.
type desk struct {
	*os.File
	mu    sync.Mutex
	shown bytes.Buffer
}

// sitsAt runs a program on a terminal of 40 rows and 100 columns, its own session's.
func sitsAt(t *testing.T, name string, args ...string) *desk {
	t.Helper()
	c := exec.Command(name, args...)
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{File: f}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := f.Read(b)
			d.mu.Lock()
			d.shown.Write(b[:n])
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // its session's other programs hold the terminal too
		c.Wait()
		f.Close()
		<-read
	})
	return d
}

func (d *desk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shown.String()
}

func (d *desk) types(t *testing.T, text string) {
	t.Helper()
	if _, err := d.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A program on a terminal, talked to from one: a single echo, and a window that
// follows.
func TestTalkTerminal(t *testing.T) {
	testenv.Program(t, "bash")
	d := sitsAt(t, "zocalo", "talk", "exec:bash --norc -i,pty")
	eventually(t, "the prompt", func() bool { return strings.Contains(d.String(), "bash-") }) // only now nobody else echoes
	d.types(t, "stty size; echo here-$((1+1))\n")
	eventually(t, "the size of the terminal", func() bool { return strings.Contains(d.String(), "40 100") })
	eventually(t, "the program's word", func() bool { return strings.Contains(d.String(), "here-2") })
	if n := strings.Count(d.String(), "echo here-"); n != 1 || strings.Contains(d.String(), "\r\r") {
		t.Errorf("what was typed is shown %d times: %q", n, d)
	}
	if err := pty.Setsize(d.File, &pty.Winsize{Rows: 50, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new size", func() bool {
		d.types(t, "stty size\n")
		time.Sleep(50 * time.Millisecond)
		return strings.Contains(d.String(), "50 120")
	})
}

// Keys go through as typed to a program behind serve --pty, whose terminal alone
// echoes and interrupts, and ~. ends the talk.
func TestTalkRaw(t *testing.T) {
	testenv.Program(t, "bash")
	server := exec.Command("zocalo", "serve", "--pty", "tcp:127.0.0.1:0", "--", "bash", "--norc", "-i")
	said := &shared{}
	server.Stdout, server.Stderr = said, said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	hint := regexp.MustCompile(`zocalo (talk --raw \S+)\n`)
	eventually(t, "it says how to talk to it", func() bool { return hint.MatchString(said.String()) })
	d := sitsAt(t, "sh", "-c", "zocalo "+hint.FindStringSubmatch(said.String())[1]+"; echo status $?; stty -a; sleep 1000")
	eventually(t, "the prompt", func() bool { return strings.Contains(d.String(), "bash-") })
	d.types(t, "echo here-$((1+1)); sleep 1000\r")
	eventually(t, "the program's word", func() bool { return strings.Contains(d.String(), "here-2") })
	eventually(t, "Ctrl-C ends the program's program alone", func() bool {
		d.types(t, "\x03")
		d.types(t, "\recho sta''tus-$?\r")
		time.Sleep(50 * time.Millisecond)
		return strings.Contains(d.String(), "status-130")
	})
	if n := strings.Count(d.String(), "echo here-"); n != 1 {
		t.Errorf("what was typed is shown %d times: %q", n, d)
	}
	d.types(t, "\r~.")
	eventually(t, "it ends, and the terminal is as it was", func() bool {
		return strings.Contains(d.String(), "status 0") && regexp.MustCompile(`[^-]icanon`).MatchString(d.String())
	})
}

// Our own terminal as an address: its keys go through as typed, one of them ends it,
// and it is then as it was.
func TestRawStandard(t *testing.T) {
	testenv.Program(t, "stty")
	d := sitsAt(t, "sh", "-c", "zocalo relay -,raw,echo=0,escape=^] 'shell:echo ready; cat'; echo status $?; stty -a; echo end")
	eventually(t, "the program", func() bool { return strings.Contains(d.String(), "ready") })
	d.types(t, "one\x03two\x1d")
	eventually(t, "the end", func() bool { return strings.Contains(d.String(), "end\r\n") })
	if text := d.String(); !strings.Contains(text, "one\x03two") || !strings.Contains(text, "status 0") || !strings.Contains(text, " icanon") || !strings.Contains(text, " echo ") {
		t.Errorf("it shows %q", text)
	}
}

// A job in the background that wants the terminal stops as others do, and ends when
// it is told to.
func TestBackground(t *testing.T) {
	for name, c := range map[string]struct{ setting, typed, sent string }{
		"reads":  {"-tostop", "hola\n", ""},
		"writes": {"tostop", "", "hola\n"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := zocalo.Listen(t.Context(), "tcp:127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			// The shell is silent, and reads nothing while it waits.
			d := sitsAt(t, "sh", "-c", fmt.Sprintf("stty %s; set -m; zocalo talk -q tcp:%v & echo job $!.; sleep 1000", c.setting, l.Name()))
			s, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var pid int
			eventually(t, "the job's number", func() bool {
				_, rest, _ := strings.Cut(d.String(), "job ")
				n, _ := fmt.Sscanf(rest, "%d.", &pid)
				return n == 1 && strings.Contains(rest, ".")
			})
			defer syscall.Kill(pid, syscall.SIGKILL)
			state := func() string {
				text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
				_, rest, _ := strings.Cut(string(text), ") ")
				return rest[:min(1, len(rest))]
			}
			// `sleep` has the foreground, so that nobody else takes what is typed.
			eventually(t, "the job stops", func() bool {
				d.types(t, c.typed)
				s.Write([]byte(c.sent))
				return state() == "T"
			})
			syscall.Kill(pid, syscall.SIGTERM)
			syscall.Kill(pid, syscall.SIGCONT)
			eventually(t, "the job ends", func() bool { s := state(); return s == "" || s == "Z" })
		})
	}
}

// On a terminal, a line says how check goes, and is gone when the table comes,
// which is in colours unless NO_COLOR says otherwise.
func TestCheckTerminal(t *testing.T) {
	for _, test := range []struct{ noColor, yes string }{{"", "\x1b[32myes\x1b[0m"}, {"1", "yes  "}} {
		t.Setenv("NO_COLOR", test.noColor)
		d := sitsAt(t, "zocalo", "check", "pipe")
		eventually(t, "the end", func() bool { return strings.Contains(d.String(), "-v shows") })
		live, table, _ := strings.Cut(d.String(), "KIND")
		if !strings.HasPrefix(live, "\r0 of 1 kind done; trying pipe: reliable\x1b[K") || !strings.Contains(live, "\r\x1b[K") {
			t.Errorf("before the table: %q", live)
		}
		if !strings.Contains(table, test.yes) || test.noColor != "" && strings.Contains(table, "\x1b[") {
			t.Errorf("NO_COLOR=%q: %q", test.noColor, table)
		}
	}
}
