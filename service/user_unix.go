//go:build unix

package service

import (
	"errors"
	"fmt"
	"syscall"

	"zocalo/process"
)

// DropPrivileges makes this process one of another user and group for good, see
// [Config] User. It is for Options.Opened, once what needs privileges is open: a later reload can
// open only what that user may. With neither it does nothing.
func DropPrivileges(name, group string) error {
	u, err := process.LookupUser(name, group)
	if err != nil || u == nil {
		return err
	}
	groups := u.Groups
	if groups == nil {
		groups = []int{u.GID}
	}
	if syscall.Geteuid() == u.UID && syscall.Getegid() == u.GID && syscall.Geteuid() != 0 {
		return nil
	}
	for _, step := range []func() error{
		func() error { return syscall.Setgroups(groups) },
		func() error { return syscall.Setgid(u.GID) },
		func() error { return syscall.Setuid(u.UID) },
	} {
		if err := step(); errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("become user %s: %w: only root can: start it as root, or omit user", u, err)
		} else if err != nil {
			return fmt.Errorf("become user %s: %w", u, err)
		}
	}
	if u.UID != 0 && syscall.Setuid(0) == nil {
		return fmt.Errorf("become user %s: the process could become root again, and ends", u)
	}
	return nil
}
