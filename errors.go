package zocalo

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"

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

// Error returns all of it in one line. Where every error has the same advice,
// it is given once, at the end.
func (e *NamesError) Error() string {
	texts := make([]string, len(e.Errs))
	advice := sharedAdvice(e.Errs)
	for i, err := range e.Errs {
		texts[i] = err.Error()
		if advice != "" {
			texts[i] = strings.TrimSuffix(texts[i], ": "+advice)
		}
	}
	text := strings.Join(texts, "; ")
	if advice != "" {
		text += ": " + advice
	}
	return e.Address + ": " + text
}

// Unwrap returns the errors.
func (e *NamesError) Unwrap() []error { return e.Errs }

// Timeout reports whether one of the names was given up for want of time.
func (e *NamesError) Timeout() bool { return slices.ContainsFunc(e.Errs, isTimeout) }

// Temporary is there for net.Error, which deprecates it; it is Timeout.
func (e *NamesError) Temporary() bool { return e.Timeout() }

// sharedAdvice returns the advice that all errors end with, "" if they do not
// agree.
func sharedAdvice(errs []error) string {
	advice := ""
	for _, err := range errs {
		a, ok := err.(*socket.Advised)
		if !ok || advice != "" && a.Advice != advice {
			return ""
		}
		advice = a.Advice
	}
	return advice
}

// An advice says what to do about an error.
type advice struct {
	err  error
	text string
}

var dialAdvice = []advice{
	{syscall.ECONNREFUSED, "nobody listens there: start the server, or check the address"},
	{syscall.ENOENT, "there is no such socket: start the server, or check the path"},
	{syscall.ETIMEDOUT, "nobody answered: check the address, and whether a firewall is in the way"},
	{syscall.EHOSTUNREACH, "no way leads there: check the address and the network"},
	{syscall.ENETUNREACH, "no way leads there: check the address and the network"},
	{syscall.EPROTOTYPE, "what listens there is a socket of another type: try the scheme's other forms"},
	{syscall.EADDRINUSE, "another socket has that name: choose another, or leave bind= away"},
	{syscall.EADDRNOTAVAIL, "no name of this machine can be had for it: check bind=, or wait until old connections fade away"},
	{syscall.EACCES, "this user may not connect to it: check the permissions there, or give the option broadcast for a broadcast address"},
}

var listenAdvice = []advice{
	{syscall.EADDRINUSE, "the name is taken: choose another, or end the program that has it"},
	{syscall.EADDRNOTAVAIL, "no interface of this machine has the address"},
	{syscall.EACCES, "this user may not take that name: choose another"},
}

// anyAdvice is for what goes wrong whatever was tried.
var anyAdvice = []advice{
	{syscall.EMFILE, "this process has too many open descriptors: raise the limit (ulimit -n)"},
	{syscall.ENFILE, "this machine has too many open descriptors: raise fs.file-max"},
	{syscall.EAFNOSUPPORT, "this system does not have the domain"},
	{syscall.EPROTONOSUPPORT, "this system does not have the protocol"},
	{syscall.EPERM, "it needs a privilege that this process does not have"},
}

// advised returns err with what to do about it, as the list or anyAdvice has
// it, unless err says so already or there is nothing to say.
func advised(err error, list []advice) error {
	var already *socket.Advised
	if err == nil || errors.As(err, &already) {
		return err
	}
	for _, l := range [][]advice{list, anyAdvice} {
		for _, a := range l {
			if errors.Is(err, a.err) {
				return &socket.Advised{Err: err, Advice: a.text}
			}
		}
	}
	return err
}

// gaveUp returns err with the bound that was reached, if the end of own and
// not that of the caller's context made it.
func gaveUp(err error, caller, own context.Context, bound string) error {
	if caller.Err() == nil && own.Err() != nil && isTimeout(err) {
		return &socket.Advised{Err: err, Advice: "no answer came within " + bound + ": check the address, or allow more time"}
	}
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
