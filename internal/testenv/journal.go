package testenv

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// awaited is how long what a test awaits may take.
const awaited = 30 * time.Second

// Await waits until something holds, and ends the test where it does not come to pass.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(awaited); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("this does not come to pass: %s", what)
		}
	}
}

// A Journal is a log that tests look at while others write it.
type Journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to the log.
func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// String is all that was written.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// Logger writes to the journal, from slog.LevelInfo on.
func (j *Journal) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }
