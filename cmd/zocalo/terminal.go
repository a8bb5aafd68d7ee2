package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// width returns the columns of the terminal that standard output is, 0 if it
// is none.
func (a *app) width() int { return columns(a.out) }

// columns returns those of a terminal, 0 for what is none.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// colours reports whether standard output is a terminal whose user did not
// refuse colours (NO_COLOR).
func (a *app) colours() bool {
	return a.width() > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
