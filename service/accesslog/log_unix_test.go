//go:build unix

package accesslog

import (
	"bufio"
	"bytes"
	"fmt"
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
	read := func() (line []byte) {
		line, err := lines.ReadBytes('\n')
		try(t, err)
		text = append(text, line...)
		return line
	}
	for range 10 {
		read()
	}
	// One more finds room in the end, and says how many are missing.
	last := int64(n)
	for found := false; !found; {
		last++
		before := l.Lost()
		l.Ended("db", pair(last))
		found = l.Lost() == before
		read()
	}
	for !bytes.Contains(read(), fmt.Appendf(nil, `"pair":%d,`, last)) {
	}
	if there, lost := numbers(t, records(t, text)); there+lost != last || lost != l.Lost() {
		t.Errorf("%d lines are there and %d lost, of %d", there, lost, last)
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
