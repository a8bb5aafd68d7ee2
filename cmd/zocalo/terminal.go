package main

import (
	"fmt"
	"os"
)

// width returns the columns of the terminal that standard output is, 0 if it
// is none.
func (a *app) width() int { return columns(a.out) }

// columns returns those of a terminal, 0 for what is none.
func columns(stream any) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	columns, _ := terminalColumns(f)
	return columns
}

// colours reports whether standard output is a terminal whose user did not
// refuse colours (NO_COLOR).
func (a *app) colours() bool {
	return a.width() > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// liveWidth is the width of the terminal that standard error is, 0 if it is
// none that can redraw a line.
func (a *app) liveWidth() int {
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	return columns(a.err)
}

// showLine shows a line in place of the last, on a terminal.
func (a *app) showLine(text string) {
	a.showLive(fmt.Sprintf("\r%.*s\x1b[K", a.liveWidth()-1, text))
}

// eraseLive takes away what showLine shows.
func (a *app) eraseLive() {
	if !a.quiet && a.liveWidth() > 0 {
		a.showLive("\r\x1b[K")
	}
}

// isTerminal reports whether a stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, is := terminalColumns(f)
	return is
}
