//go:build unix

package process

import (
	"errors"
	"os"
	"syscall"
)

// credential is the user as fork wants it; nil for nil.
func (u *User) credential() *syscall.Credential {
	if u == nil {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), NoSetGroups: os.Geteuid() != 0}
	for _, g := range u.Groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// become makes this process the user's, for good.
func (u *User) become() error {
	if os.Geteuid() == 0 {
		if err := syscall.Setgroups(u.Groups); err != nil {
			return os.NewSyscallError("setgroups", err)
		}
	}
	return errors.Join(os.NewSyscallError("setgid", syscall.Setgid(u.GID)), os.NewSyscallError("setuid", syscall.Setuid(u.UID)))
}
