// Package watch tells when files change: those of given names, and those that match
// patterns. On Linux it hears of it from the kernel (inotify), about their folders, so that files which
// are replaced by a rename are noticed like those written in place; elsewhere it looks every
// second. It compares contents, so that what only looks changed is not told of.
package watch

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// settle is for how long nothing must happen before the files are looked at: a file
	// is often written in several steps.
	settle = 50 * time.Millisecond

	// mostSettle is the longest to wait for that.
	mostSettle = time.Second

	// interval is between looks where nothing tells of changes.
	interval = time.Second

	// mostBytes are read of each file.
	mostBytes = 4 << 20
)

// A Look is what files contain at one time.
type Look [sha256.Size]byte

// At looks at the files that the patterns mean, see [filepath.Glob].
func At(patterns []string) Look { return digest(patterns) }

// Files calls changed, in one goroutine, after each change of the files that the patterns
// mean, until ctx ends. It begins with what they were at a look before, so that nothing is missed
// that happens meanwhile.
func Files(ctx context.Context, patterns []string, seen Look, changed func()) {
	look := func() {
		if now := digest(patterns); now != seen {
			seen = now
			changed()
		}
	}
	events, end := folderEvents(folders(patterns))
	defer end()
	if events == nil {
		poll(ctx, look)
		return
	}
	look() // what has changed before the kernel was asked
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok { // a folder has gone, or the kernel has said too much
				poll(ctx, look)
				return
			}
		}
		calm(ctx, events)
		look()
	}
}

// calm waits until nothing has happened for a moment.
func calm(ctx context.Context, events <-chan struct{}) {
	over := time.After(mostSettle)
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		case <-time.After(settle):
			return
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}

func poll(ctx context.Context, look func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			look()
		}
	}
}

// folders are those in which the files are, or may come to be.
func folders(patterns []string) (all []string) {
	for _, p := range patterns {
		all = append(all, filepath.Dir(p))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// digest is what the files contain now.
func digest(patterns []string) Look {
	sum := sha256.New()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			files = []string{pattern}
		}
		for _, path := range files {
			io.WriteString(sum, path+"\x00")
			f, err := os.Open(path)
			if err != nil {
				io.WriteString(sum, err.Error())
				continue
			}
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				io.Copy(sum, io.LimitReader(f, mostBytes))
			}
			f.Close()
			io.WriteString(sum, "\x00")
		}
	}
	return Look(sum.Sum(nil))
}
