package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestJournalWithoutReader shows that a reader who does not read holds up a
// journal for a moment and never again, and is told what found no room once it
// reads; those who dump wait somewhat longer, and in the end no more.
func TestJournalWithoutReader(t *testing.T) {
	for _, c := range []struct {
		name   string
		say    func(*journal, []byte)
		atMost time.Duration
	}{{"say", (*journal).say, linePatience}, {"dump", (*journal).dump, dumpPatience}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reads := make(chan struct{})
				var got bytes.Buffer
				j := newJournal(func(b []byte) error {
					<-reads
					_, err := got.Write(b)
					return err
				}, func(n int64) string { return fmt.Sprintf("%d lost\n", n) })
				const said = 100_000
				began := time.Now()
				for i := range said {
					c.say(j, fmt.Appendf(nil, "line %d\n", i))
				}
				if took := time.Since(began); took > c.atMost {
					t.Errorf("%d lines took %v, want at most %v", said, took, c.atMost)
				}
				j.flush()
				if took := time.Since(began); took > c.atMost+flushPatience {
					t.Errorf("the flush took %v", took)
				}
				if n := len(j.queue); n > maxQueued {
					t.Errorf("%d bytes are queued", n)
				}
				close(reads)
				j.flush()
				lines := strings.Split(strings.TrimSuffix(got.String(), "\n"), "\n")
				kept := len(lines) - 1
				for i, line := range lines[:kept] {
					if line != fmt.Sprintf("line %d", i) {
						t.Fatalf("line %d is %q", i, line)
					}
				}
				if n := j.lostLines(); n != int64(said-kept) {
					t.Errorf("%d lines are counted as lost", n)
				}
				if want := fmt.Sprintf("%d lost", said-kept); lines[kept] != want {
					t.Errorf("the last line is %q, want %q", lines[kept], want)
				}
				began = time.Now()
				c.say(j, []byte("again\n"))
				if !strings.HasSuffix(got.String(), "again\n") || time.Since(began) > 0 {
					t.Error("what is said to a reader again is not written at once")
				}
			})
		})
	}
}

// A dump loses nothing to a reader who is slow.
func TestJournalSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got bytes.Buffer
		j := newJournal(func(b []byte) error {
			time.Sleep(dumpPatience / 2)
			_, err := got.Write(b)
			return err
		}, func(n int64) string { return fmt.Sprintf("%d lost\n", n) })
		var want bytes.Buffer
		line := append(bytes.Repeat([]byte("x"), maxPiece), '\n')
		for range 2 * maxQueued / maxPiece {
			want.Write(line)
			j.dump(line)
		}
		for range 3 { // each is for so long
			j.flush()
		}
		if got.String() != want.String() {
			t.Errorf("%d bytes came of %d", got.Len(), want.Len())
		}
	})
}

// TestRepeated shows that what strangers make a log say is counted, and what is
// the program's own is not.
func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		var mu sync.Mutex
		h := newRepeated(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return text.Write(b)
		}), nil))
		log := slog.New(h)
		count := func(word string) int {
			mu.Lock()
			defer mu.Unlock()
			return strings.Count(text.String(), word)
		}
		for i := range 25 {
			log.Warn("pair failed", "pair", i)
			log.With("peer", i).Info("peer rejected")
			log.With("pid", 7).Info("standard error")
			log.Error("an error")
		}
		for word, want := range map[string]int{"pair failed": maxAlike, "peer rejected": maxAlike, "standard error": 25, "an error": 25, "more": 0} {
			if n := count(word); n != want {
				t.Errorf("%q is there %d times, want %d", word, n, want)
			}
		}
		time.Sleep(alikePeriod + 1)
		synctest.Wait()
		if n := count("15 more like this in the last 10 s"); n != 2 {
			t.Errorf("the rest was told of %d times, want 2:\n%s", n, &text)
		}
		for range maxAlike + 1 {
			log.Warn("pair failed")
		}
		h.kinds.flush()
		if count("pair failed: 1 more like this in the last 1 s") != 1 || count("pair failed") != 2*maxAlike+2 {
			t.Errorf("a new count is not one of its own:\n%s", &text)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
