//go:build !unix

package control

import (
	"context"
	"errors"
	"net"
	"os"
)

// A Server is the control socket of this process: there is none on this system.
type Server struct {
	Verb string
	Rows func(*Request) []Row
}

func (s *Server) Open() error { return errors.ErrUnsupported }
func (s *Server) Close()      {}
func (s *Server) Remove()     {}

// Look finds nothing.
func Look(context.Context, ...string) []Answer { return nil }

// Peer is this user: there is no way to know another.
func Peer(*net.UnixConn) (uid, pid int, err error) { return os.Geteuid(), 0, nil }

// Folder is where sockets would be.
func Folder() (string, error) { return "", errors.ErrUnsupported }

// IsGone is not known.
func IsGone(int) bool { return false }
