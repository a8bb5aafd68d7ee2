package check

import (
	"errors"
	"fmt"
	"syscall"

	"zocalo/internal/nearest"
)

// An UnknownError refuses the name of a kind or a property that there is not.
type UnknownError struct {
	What  string   // "kind" or "property"
	Name  string   // as it was given
	Known []string // those that there are
}

// A KindError refuses a kind that there is, and that cannot be tried.
type KindError struct {
	Kind   string
	Reason string
}

func (e *KindError) Error() string {
	return fmt.Sprintf("kind %q cannot be tried: %s", e.Kind, e.Reason)
}

// Error names the nearest that there is, or all of them.
func (e *UnknownError) Error() string {
	return nearest.Unknown(e.What, e.Name, e.Known).Error()
}

// A shortageError is why a kind could not be tried, or a property of it.
type shortageError struct{ err error }

func (e *shortageError) Error() string {
	what := "no descriptors are left: raise the limit (ulimit -n)"
	if errors.Is(e.err, syscall.ENOBUFS) || errors.Is(e.err, syscall.ENOMEM) {
		what = "this host is short of memory: try again when less runs"
	}
	return "it could not be tried: " + e.err.Error() + ": " + what
}

func (e *shortageError) Unwrap() error { return e.err }
