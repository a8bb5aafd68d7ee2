package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"zocalo/bench"
)

// interval shows how a run goes: a line for each interval that was asked for,
// or one that changes, on a terminal.
func (b *benching) interval(i bench.Interval) {
	text := intervalText(i)
	switch {
	case b.shorter && !b.json && !b.csv:
		b.print(text + "\n") // what fails here fails for the result too
	case !b.quiet && b.liveWidth() > 0:
		b.mu.Lock()
		defer b.mu.Unlock()
		fmt.Fprintf(b.err, "\r%.*s\x1b[K", b.liveWidth()-1, text)
	}
}

// endLive takes the live line away.
func (b *benching) endLive() {
	if !b.shorter && !b.quiet && b.liveWidth() > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		fmt.Fprint(b.err, "\r\x1b[K")
	}
}

// liveWidth is the width of the terminal that standard error is, 0 if it is
// none that can redraw a line.
func (b *benching) liveWidth() int {
	f, ok := b.err.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// intervalText is an interval in a line.
func intervalText(i bench.Interval) string {
	var b strings.Builder
	if i.WarmUp {
		b.WriteString("warm-up          ")
	} else {
		fmt.Fprintf(&b, "%6.2f to %6.2f s", i.Start.Seconds(), i.End.Seconds())
	}
	if i.Traffic.Octets > 0 {
		fmt.Fprintf(&b, "  %10s", bench.RateText(i.Traffic.BitsPerSecond()))
	}
	fmt.Fprintf(&b, "  %9.0f messages/s", i.Traffic.MessagesPerSecond())
	if i.Max > 0 {
		fmt.Fprintf(&b, "  median %s, max %s", bench.TimeText(i.Median), bench.TimeText(i.Max))
	}
	return b.String()
}
