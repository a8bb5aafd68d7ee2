package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	more := filepath.Join(dir, "conf.d")
	if err := os.Mkdir(more, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.toml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "1")
	ctx, cancel := context.WithCancel(t.Context())
	patterns := []string{file, filepath.Join(more, "*.toml")}
	seen := At(patterns)
	changes, done := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(done)
		Files(ctx, patterns, seen, func() { changes <- struct{}{} })
	}()
	defer func() { cancel(); <-done }()
	told := func(what string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing was told of %s", what)
		}
	}
	write(file, "2")
	told("a file that was written")
	write(filepath.Join(dir, "new"), "3")
	if err := os.Rename(filepath.Join(dir, "new"), file); err != nil {
		t.Fatal(err)
	}
	told("a file that was replaced")
	write(filepath.Join(more, "b.toml"), "4")
	told("a file that came")
	write(filepath.Join(more, "c.txt"), "5")
	if err := os.Remove(filepath.Join(more, "b.toml")); err != nil {
		t.Fatal(err)
	}
	told("a file that went")
	select {
	case <-changes:
		t.Error("a change was told of twice, or one of a file that is not ours")
	default:
	}
}
