package process

import (
	"os"
	"syscall"

	"zocalo/socket"
)

// No program can be started here yet, and no terminal be made.

var (
	errPrograms  = &socket.UnsupportedError{Feature: "starting a program", Needs: "a Unix system"}
	errTerminals = &socket.UnsupportedError{Feature: "setting a terminal", Needs: "a Unix system"}
)

func (c *Command) start(string, *int) (pidfd int, err error) { return -1, errPrograms }

func (p *Process) reap(int) {}

const resume = syscall.Signal(0)

func kill(int, syscall.Signal) error { return errPrograms }

// Shim returns at once.
func Shim() { shimCalled.Store(true) }

var resources = map[string]int{}

func setrlimit(int, uint64, uint64) error { return errPrograms }

func hardLimit(int) (uint64, error) { return 0, errPrograms }

// MakeRaw refuses.
func MakeRaw(*os.File) (restore func(), err error) { return nil, errTerminals }

func setRaw(*os.File) error { return errTerminals }

func copySize(any, *os.File) error { return errTerminals }

func (t *terminal) endOfFile() byte { return 0 }
