//go:build unix

package accesslog

import (
	"bufio"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A reader that has stopped keeps nobody waiting, and gets whole lines once it goes on.
func TestStoppedReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	try(t, syscall.Mkfifo(path, 0o600))
	l := open(t, path, Options{Queue: 100_000})
	const n = 20_000
	for i := range int64(n) {
		l.Ended("db", pair(i+1))
	}
	if l.Lost() == 0 {
		t.Error("no line is lost")
	}
	r, err := os.Open(path)
	try(t, err)
	defer r.Close()
	lines := bufio.NewReader(r)
	var text []byte
	read := func() {
		line, err := lines.ReadBytes('\n')
		try(t, err)
		text = append(text, line...)
	}
	for range 10 {
		read()
	}
	// One more finds room in the end, and says how many are missing.
	last := false
	for i := int64(n); !last; i++ {
		before := l.Lost()
		l.Ended("db", pair(i+1))
		last = l.Lost() == before
		read()
		if last {
			for {
				read()
				if all := records(t, text); all[len(all)-1].Pair == i+1 {
					there, lost := numbers(t, all)
					if there+lost != i+1 || lost != l.Lost() {
						t.Errorf("%d lines are there and %d lost, of %d", there, lost, i+1)
					}
					break
				}
			}
		}
	}
	try(t, l.Close())
}

// A log whose reader has stopped is closed all the same, and says what is lost.
func TestCloseOfStoppedReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	try(t, syscall.Mkfifo(path, 0o600))
	l, err := Open(path, Options{Queue: 1 << 20})
	try(t, err)
	for i := range int64(5000) {
		l.Ended("db", pair(i+1))
	}
	if err := l.Close(); err == nil || l.Lost() == 0 {
		t.Errorf("closing says %v, and %d are lost", err, l.Lost())
	}
}
