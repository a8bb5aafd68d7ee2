package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/goleak"
)

// Tests are what a TestMain runs: its *testing.M, or something that runs that.
type Tests interface{ Run() int }

// Main is the TestMain of a package: it runs the tests, and ends the process
// with a failure if they leave goroutines or, where the system tells,
// descriptors. atEnd closes what the package under test keeps to use again.
func Main(tests Tests, atEnd ...func()) {
	startPoller()
	before := Descriptors()
	status := tests.Run()
	for _, end := range atEnd {
		end()
	}
	if err := goroutinesLeft(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		status = 1
	}
	for fd, what := range left(before) {
		fmt.Fprintf(os.Stderr, "descriptor %s is left: %s\n", fd, what)
		status = 1
	}
	os.Exit(status)
}

// goroutinesLeft waits for those that end by themselves: a lookup of package net
// goes on for some seconds after who asked has gone.
func goroutinesLeft() (err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}

// startPoller makes the runtime open what its poller needs, which stays.
func startPoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// patience is for lookups of names, and for programs that lost their socket,
// whose descriptor here is closed when they have ended.
const patience = 10 * time.Second

// left returns what is open and was not before.
func left(before map[string]string) map[string]string {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		now := Descriptors()
		for fd, what := range now {
			if before[fd] == what || filepath.Base(what) == "testlog.txt" { // package testing's, of each m.Run
				delete(now, fd)
			}
		}
		if len(now) == 0 || time.Now().After(end) {
			return now
		}
	}
}

// Descriptors returns what the process has open, where the system tells.
func Descriptors() map[string]string {
	found := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// What ReadDir itself had open is gone.
		if what, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			found[e.Name()] = what
		}
	}
	return found
}
