package zocalo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"zocalo/internal/say"
	"zocalo/socket"
)

// A NamesError says that no name of an address could be used, and why: there
// is an error for each name that was tried, in the order of the names. It is
// a net.Error, and errors.Is and errors.As look through all of them.
type NamesError struct {
	Address string // what was asked for
	Errs    []error
}

var _ net.Error = (*NamesError)(nil)

// A SchemeError says that a [Dialer] or a [ListenConfig] does not allow a scheme or
// layer of an address.
type SchemeError struct {
	Scheme  string
	Allowed []string
}

func (e *SchemeError) Error() string {
	if len(e.Allowed) == 0 {
		return "scheme " + e.Scheme + " is not allowed here: none is"
	}
	return "scheme " + e.Scheme + " is not allowed here: use " + strings.Join(e.Allowed, ", ")
}

// Error returns all of it in one line. What happened to several names alike, and what
// to do about it, is said once.
func (e *NamesError) Error() string {
	type outcome struct{ cause, advice string }
	var outcomes []outcome
	names := map[outcome][]string{}
	for _, err := range e.Errs {
		o := outcome{cause: say.Error(err)}
		if a, ok := err.(*socket.HintError); ok {
			o = outcome{say.Error(a.Err), a.Hint}
			err = a.Err
		}
		name := ""
		if op, ok := err.(*net.OpError); ok && op.Addr != nil {
			name, o.cause = op.Addr.String(), say.Cause(op)
		}
		if names[o] == nil {
			outcomes = append(outcomes, o)
		}
		names[o] = append(names[o], name)
	}
	shared := !slices.ContainsFunc(outcomes, func(o outcome) bool { return o.advice != outcomes[0].advice })
	texts := make([]string, len(outcomes))
	for i, o := range outcomes {
		texts[i] = e.of(names[o]) + o.cause
		if o.advice != "" && (!shared || i == len(outcomes)-1) {
			texts[i] += ": " + o.advice
		}
	}
	return e.Address + ": " + strings.Join(texts, "; ")
}

// mostNames is how many names are listed to which the same happened.
const mostNames = 3

// of says of which names something is told, "" where the address says so itself.
func (e *NamesError) of(names []string) string {
	whole, _, _ := strings.Cut(e.Address, ",")
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" || strings.HasSuffix(whole, ":"+n) })
	switch n := len(names); {
	case n == 0:
		return ""
	case n > mostNames:
		return fmt.Sprintf("%s and %d others: ", strings.Join(names[:mostNames-1], ", "), n-mostNames+1)
	case n > 1:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1] + ": "
	}
	return names[0] + ": "
}

// Unwrap returns the errors.
func (e *NamesError) Unwrap() []error { return e.Errs }

// Timeout reports whether one of the names was given up for want of time.
func (e *NamesError) Timeout() bool { return slices.ContainsFunc(e.Errs, isTimeout) }

// Temporary is there for net.Error, which deprecates it; it is Timeout.
func (e *NamesError) Temporary() bool { return e.Timeout() }

// gaveUp returns err with the bound that was reached, if the end of own and
// not that of the caller's context made it.
func gaveUp(err error, caller, own context.Context, bound string) error {
	if caller.Err() == nil && own.Err() != nil && isTimeout(err) {
		return &socket.HintError{Err: err, Hint: "no answer came within " + bound + ": check the address, or allow more time"}
	}
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
