package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zocalo/process"
)

func TestProgressText(t *testing.T) {
	for _, test := range []struct {
		passed, size int64
		took         time.Duration
		want         string
	}{
		{0, 100, time.Second, "0 bytes of 100 bytes, 0%, 0 bit/s"},
		{512 << 10, 2 << 20, time.Second, "512 KiB of 2.00 MiB, 25%, 4.19 Mbit/s, 3 s left"},
		{3 << 30, 3 << 30, 2 * time.Second, "3.00 GiB of 3.00 GiB, 100%, 12.9 Gbit/s"},
	} {
		if got := progressText(test.passed, test.size, test.took); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// A file of known size, and a terminal for standard error: a line says how much
// has passed, and is gone at the end.
func TestProgressLine(t *testing.T) {
	terminal, err := process.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.WriteFile(in, make([]byte, 40_000), 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan int, 1)
	go func() {
		done <- run([]string{"relay", "--rate", "50KB", "file:" + in + ",rdonly", "file:" + filepath.Join(dir, "out") + ",create,wronly"},
			streams{strings.NewReader(""), io.Discard, terminal.Device})
		terminal.Device.Close()
	}()
	var said strings.Builder
	b := make([]byte, 1024)
	for {
		n, err := terminal.Read(b)
		said.Write(b[:n])
		if err != nil {
			break
		}
	}
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
	text := said.String()
	if !strings.Contains(text, " of 39.1 KiB, ") || !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("the terminal shows %q", text)
	}
}
