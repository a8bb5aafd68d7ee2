//go:build !unix

package service

import (
	"zocalo/socket"
)

// DropPrivileges makes this process one of another user, which this system cannot.
func DropPrivileges(name, group string) error {
	if name == "" && group == "" {
		return nil
	}
	return &socket.UnsupportedError{Feature: "user and group of a file of services", Needs: "unix"}
}
