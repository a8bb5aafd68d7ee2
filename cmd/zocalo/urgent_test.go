package main

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Urgent bytes that come before a connection is accepted all keep their
// places: the second does not push the first out.
func TestUrgentBeforeAccept(t *testing.T) {
	echo := serverOf(t, "echo", "tcp:127.0.0.1:0")
	for _, args := range [][]string{
		{"echo", "--path", "auto", "--max-conns", "1", "tcp:127.0.0.1:0"},
		{"echo", "--path", "general", "--max-conns", "1", "tcp:127.0.0.1:0"},
		{"relay", "--path", "auto", "--max-conns", "1", "tcp-listen:127.0.0.1:0", echo.address},
		{"relay", "--path", "general", "--max-conns", "1", "tcp-listen:127.0.0.1:0", echo.address},
		{"listen", "--keep", "tcp:127.0.0.1:0"},
	} {
		t.Run(strings.Join(args[:3], " "), func(t *testing.T) {
			s := serverOf(t, args...)
			first := dialUntil(t, s.address) // it takes the only place
			writeText(t, first, "!")
			from := io.Reader(first)
			if args[0] == "listen" {
				from = s.out
			}
			wantText(t, from, "!")
			second := dialUntil(t, s.address)
			if err := option.OOBInline.Set(second, true); err != nil {
				t.Fatal(err)
			}
			for _, urgent := range []string{"A", "B"} {
				if _, err := second.SendUrgent([]byte(urgent)); err != nil {
					t.Fatal(err)
				}
			}
			writeText(t, second, "cdef")
			first.Close()
			if args[0] != "listen" {
				from = second
			}
			wantText(t, from, "ABcdef")
		})
	}
}

// A served is a server that runs until the test ends.
type served struct {
	address string
	out     *bufio.Reader
}

func serverOf(t *testing.T, args ...string) served {
	t.Helper()
	zocalo, err := exec.LookPath("zocalo") // this test binary, by testscript.Main
	if err != nil {
		zocalo = build(t)
	}
	cmd := exec.CommandContext(t.Context(), zocalo, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(log)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var rest sync.WaitGroup
	rest.Go(func() { io.Copy(io.Discard, lines) })
	t.Cleanup(func() {
		cmd.Process.Kill()
		rest.Wait()
		cmd.Wait()
	})
	return served{strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), bufio.NewReader(out)}
}

func dialUntil(t *testing.T, address string) *socket.Socket {
	t.Helper()
	s, err := zocalo.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.SetDeadline(time.Now().Add(30 * time.Second))
	return s
}

func writeText(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, r io.Reader, text string) {
	t.Helper()
	b := make([]byte, len(text))
	if n, err := io.ReadFull(r, b); err != nil || string(b) != text {
		t.Fatalf("read %q, %v, want %q", b[:n], err, text)
	}
}
