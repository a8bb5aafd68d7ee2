package check

import (
	"fmt"
	"strings"

	"zocalo/address"
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
	if near := address.Nearest(e.Name, e.Known); near != "" {
		return fmt.Sprintf("unknown %s %q: did you mean %s?", e.What, e.Name, near)
	}
	return fmt.Sprintf("unknown %s %q: choose among %s", e.What, e.Name, strings.Join(e.Known, ", "))
}
