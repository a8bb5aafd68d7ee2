package file

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	big := make([]byte, Most+1)
	for name, text := range map[string][]byte{"good": []byte("hola"), "most": big[:Most], "big": big} {
		if err := os.WriteFile(in(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		in("none"): "no such file or directory", dir: "it is a directory: name a file in it",
		in("big"): "it has more than 1048576 bytes: is it the right file?", "/dev/zero": "it has more than 1048576 bytes: is it the right file?",
	} {
		if _, err := Read("cert", path); err == nil || err.Error() != "cert="+path+": "+want {
			t.Errorf("%v, which is not %q", err, want)
		}
	}
	for path, want := range map[string][]byte{in("good"): []byte("hola"), in("most"): big[:Most]} {
		if got, err := Read("cert", path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
}

// A pipe with a name is waited for, as long as any other, until somebody writes to it.
func TestReadNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	before := patience
	defer func() { patience = before }()
	patience = time.Millisecond
	if _, err := Read("cert", path); err == nil || !strings.HasSuffix(err.Error(), ": nothing could be read from it within 1 ms") {
		t.Errorf("of a pipe that nobody writes to: %v", err)
	}
	patience = time.Minute
	wrote := make(chan error, 1)
	go func() {
		time.Sleep(20 * time.Millisecond) // Read is likelier to be first
		wrote <- os.WriteFile(path, []byte("late"), 0)
	}()
	if text, err := Read("cert", path); string(text) != "late" || err != nil {
		t.Fatalf("%q, %v", text, err) // and whoever writes waits on
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// A pipe is read to its end, as that of a shell's <(command), and not waited for without
// end.
func TestReadPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	before := patience
	patience = time.Millisecond
	if _, err := Read("cert", path); err == nil || !strings.HasSuffix(err.Error(), ": nothing could be read from it within 1 ms") {
		t.Errorf("of a pipe that nobody writes to: %v", err)
	}
	patience = before
	want := strings.Repeat("x", 10_000)
	w.WriteString(want)
	w.Close()
	if text, err := Read("cert", path); string(text) != want || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func TestCheckSecret(t *testing.T) {
	var said bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	defer slog.SetDefault(before)
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("secreto"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		said.Reset()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		CheckSecret("key", path)
		if got := said.String(); warns != strings.Contains(got, "chmod 600") || strings.Contains(got, "secreto") {
			t.Errorf("with mode %v it says %q", mode, got)
		}
	}
}
