// Package say puts errors into one line for people.
package say

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"zocalo/socket"
)

// Error returns what an error says to people. Of an operation that failed, a
// [*net.OpError], it leaves out the socket's own name beside the peer's, the system
// call beside the operation, and the name of the machine that was asked for a host's.
func Error(err error) string {
	text := err.Error()
	for _, e := range parts(err, nil) {
		switch e := e.(type) {
		case *net.OpError:
			text = strings.ReplaceAll(text, e.Error(), operation(e))
		case *net.DNSError:
			text = strings.ReplaceAll(text, e.Error(), lookup(e))
		case *os.SyscallError:
			text = strings.ReplaceAll(text, e.Error(), Cause(e))
		}
	}
	return text
}

// parts appends an error and all that it wraps, from the outside in.
func parts(err error, all []error) []error {
	all = append(all, err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return parts(inner, all)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = parts(inner, all)
		}
	}
	return all
}

func operation(e *net.OpError) string {
	what := e.Op
	if e.Net != "" {
		what += " " + e.Net
	}
	switch {
	case e.Addr != nil && e.Addr.String() != "":
		what += " " + e.Addr.String()
	case e.Source != nil:
		what += " " + e.Source.String()
	}
	return what + ": " + Cause(e)
}

func lookup(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return "no such host: " + e.Name
	case e.IsTimeout:
		return "look up " + e.Name + ": no name server answered"
	}
	cause := e.Err
	if strings.HasPrefix(cause, "dial ") || strings.HasPrefix(cause, "read ") || strings.HasPrefix(cause, "write ") {
		cause = "the name server cannot be asked: " + cause[strings.LastIndex(cause, ": ")+2:] // without what package net tried
	}
	return "look up " + e.Name + ": " + cause
}

// Cause returns what came back of an operation that failed, as "connection refused",
// without what was tried.
func Cause(err error) string {
	if a, ok := err.(*socket.HintError); ok {
		err = a.Err
	}
	if op, ok := err.(*net.OpError); ok {
		err = op.Err
	}
	if call, ok := err.(*os.SyscallError); ok {
		err = call.Err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return Error(err)
}
