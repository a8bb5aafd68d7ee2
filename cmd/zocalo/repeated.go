package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"zocalo/internal/units"
)

// A repeated is a handler of logs that passes on so many records of a kind, by
// their message, in a while, and counts the rest: strangers decide how often
// they come. Debugging and errors all pass, and so does what a logger with the
// process number of a program says: that is the program's.
type repeated struct {
	slog.Handler
	kinds *kinds
}

type kinds struct {
	to   slog.Handler
	mu   sync.Mutex
	seen map[string]*kind // by message
}

// A kind is what came of one since it was last told of.
type kind struct {
	level slog.Level
	since time.Time
	n     int
	timer *time.Timer // tells of those beyond maxAlike; nil where there are none
}

const (
	maxAlike    = 10
	alikePeriod = 10 * time.Second
)

func newRepeated(to slog.Handler) *repeated {
	return &repeated{to, &kinds{to: to, seen: map[string]*kind{}}}
}

func (h *repeated) WithAttrs(attrs []slog.Attr) slog.Handler {
	inner := h.Handler.WithAttrs(attrs)
	if slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == "pid" }) {
		return inner
	}
	return &repeated{inner, h.kinds}
}

func (h *repeated) WithGroup(name string) slog.Handler {
	return &repeated{h.Handler.WithGroup(name), h.kinds}
}

func (h *repeated) Handle(ctx context.Context, r slog.Record) error {
	if (r.Level == slog.LevelInfo || r.Level == slog.LevelWarn) && !h.kinds.pass(r) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// pass counts a record, and reports whether it is one of the first.
func (k *kinds) pass(r slog.Record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	of := k.seen[r.Message]
	if of == nil || of.timer == nil && time.Since(of.since) > alikePeriod {
		of = &kind{level: r.Level, since: time.Now()}
		k.seen[r.Message] = of
	}
	if of.n++; of.n <= maxAlike {
		return true
	}
	if of.timer == nil {
		of.timer = time.AfterFunc(alikePeriod, func() { k.tell(r.Message, of) })
	}
	return false
}

// tell says how many were not passed on, and begins anew.
func (k *kinds) tell(message string, of *kind) {
	k.mu.Lock()
	told := k.seen[message] != of
	if !told {
		delete(k.seen, message)
		of.timer.Stop()
	}
	k.mu.Unlock()
	if !told {
		text := fmt.Sprintf("%s: %s more like this in the last %s", message, units.Count(of.n-maxAlike), units.Set(max(time.Since(of.since).Round(time.Second), time.Second)))
		k.to.Handle(context.Background(), slog.NewRecord(time.Now(), of.level, text, 0))
	}
}

// flush tells at once of what is counted.
func (k *kinds) flush() {
	k.mu.Lock()
	counted := maps.Clone(k.seen)
	maps.DeleteFunc(counted, func(_ string, of *kind) bool { return of.timer == nil })
	k.mu.Unlock()
	for message, of := range counted {
		k.tell(message, of)
	}
}
