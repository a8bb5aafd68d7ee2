package admin

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// keptLines bounds the lines of the log that are remembered, and maxLine the bytes of each.
const (
	keptLines = 200
	maxLine   = 2000
)

// A Log is a [slog.Handler] that passes records on, and remembers the latest for those
// who look. It never waits for them.
type Log struct {
	next   slog.Handler
	scopes []func(slog.Handler) slog.Handler // what With and WithGroup asked for, for text
	kept   *ring[LogLine]
}

// A LogLine is a record of the log.
type LogLine struct {
	ID    int64  `json:"id"`
	Time  int64  `json:"time"` // Unix, in milliseconds
	Level string `json:"level"`
	Text  string `json:"text"` // the message and its attributes as slog.TextHandler writes them
}

// NewLog returns a Log in front of next.
func NewLog(next slog.Handler) *Log {
	return &Log{next: next, kept: newRing[LogLine](keptLines)}
}

// Enabled is that of the handler behind.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool { return l.next.Enabled(ctx, level) }

// Handle remembers the record and passes it on.
func (l *Log) Handle(ctx context.Context, r slog.Record) error {
	var text bytes.Buffer
	var h slog.Handler = slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.Level(-1 << 20), ReplaceAttr: messageOnly})
	for _, scope := range l.scopes {
		h = scope(h)
	}
	h.Handle(ctx, r) // into memory
	line := LogLine{Time: r.Time.UnixMilli(), Level: r.Level.String(), Text: strings.TrimSpace(text.String())}
	if len(line.Text) > maxLine {
		line.Text = strings.ToValidUTF8(line.Text[:maxLine], "") + "..."
	}
	l.kept.add(func(id int64) LogLine { line.ID = id; return line })
	return l.next.Handle(ctx, r)
}

// messageOnly leaves out what a line has beside its text.
func messageOnly(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// WithAttrs returns a Log of the same memory with attributes.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	return l.within(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup returns a Log of the same memory with a group.
func (l *Log) WithGroup(name string) slog.Handler {
	return l.within(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (l *Log) within(scope func(slog.Handler) slog.Handler) *Log {
	return &Log{next: scope(l.next), scopes: append(l.scopes[:len(l.scopes):len(l.scopes)], scope), kept: l.kept}
}

// A ring remembers the latest of what is added, which it numbers from 1.
type ring[T any] struct {
	mu   sync.Mutex
	all  []T
	last int64
}

func newRing[T any](size int) *ring[T] { return &ring[T]{all: make([]T, 0, size)} }

func (r *ring[T]) add(numbered func(id int64) T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	v := numbered(r.last)
	if len(r.all) < cap(r.all) {
		r.all = append(r.all, v)
		return
	}
	r.all[(r.last-1)%int64(cap(r.all))] = v
}

// after returns those that are remembered with numbers beyond id, and the last number.
func (r *ring[T]) after(id int64) (found []T, last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := int64(cap(r.all))
	for i := max(id, r.last-size, 0); i < r.last; i++ {
		found = append(found, r.all[i%size])
	}
	return found, r.last
}
