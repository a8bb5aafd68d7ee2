package socket

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// An UnsupportedError says that a socket, a domain or this system lacks a
// feature. It matches errors.ErrUnsupported.
type UnsupportedError struct {
	Feature string // what was asked for, as "half-close"
	Needs   string // what would have it, as "a stream socket"
}

// Error returns both in one line.
func (e *UnsupportedError) Error() string {
	if e.Needs == "" {
		return e.Feature + " is not supported here"
	}
	return fmt.Sprintf("%s is not supported here: it needs %s", e.Feature, e.Needs)
}

// Is makes the error match errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// An EndpointError says that the text of an endpoint cannot mean a name,
// whatever this machine and others have: a mistake of whoever wrote it.
type EndpointError struct {
	Problem string // what is wrong, and what to do
}

func (e *EndpointError) Error() string { return e.Problem }

// failed gives an error its operation and names, as package net's errors
// have them; nil, io.EOF and what already is a *net.OpError stay as they are.
func (s *Socket) failed(op string, err error) error {
	return s.failedTo(op, Name{}, err)
}

// failedTo is failed for an operation towards a peer that is not the
// connected one.
func (s *Socket) failedTo(op string, peer Name, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	e := &net.OpError{Op: op, Net: s.kind.String(), Err: err}
	if name := s.endpoint.Name(); !name.IsZero() && op != "bind" {
		e.Source = name.NetAddr(s.kind)
	}
	if peer.IsZero() {
		peer = s.endpoint.Peer()
	}
	if !peer.IsZero() {
		e.Addr = peer.NetAddr(s.kind)
	}
	return e
}

// unsupported is the error of a method that the endpoint lacks.
func (s *Socket) unsupported(op, feature, needs string) error {
	return s.failed(op, &UnsupportedError{Feature: feature + " on a " + s.kind.String() + " socket", Needs: needs})
}
