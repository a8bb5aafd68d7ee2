package process

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"zocalo/socket"
)

// A User is who runs a program, see credentials(7).
type User struct {
	UID, GID int
	Groups   []int // supplementary groups
}

// String returns the numbers, as "uid=33 gid=33".
func (u *User) String() string { return fmt.Sprintf("uid=%d gid=%d", u.UID, u.GID) }

// LookupUser returns the user and group of those names or numbers. Without a
// group it is the user's own, with the supplementary groups that the system's
// data base lists; without a user it is the caller, in that group alone. A
// user that is not in the data base needs a group. With neither, LookupUser
// returns nil.
func LookupUser(name, group string) (*User, error) {
	if name == "" && group == "" {
		return nil, nil
	}
	u := &User{UID: os.Geteuid()}
	if name != "" {
		if err := u.lookup(name, group == ""); err != nil {
			return nil, err
		}
	}
	if group != "" {
		gid, err := lookupGroup(group)
		if err != nil {
			return nil, err
		}
		u.GID, u.Groups = gid, []int{gid}
	}
	return u, nil
}

func (u *User) lookup(name string, groups bool) error {
	uid, numeric := parseID(name)
	entry, err := user.Lookup(name)
	if err != nil && numeric {
		entry, err = user.LookupId(name)
	}
	switch {
	case err == nil:
		u.UID, _ = parseID(entry.Uid)
	case !numeric:
		return &socket.Advised{Err: fmt.Errorf("there is no user %q", name), Advice: "give a name of /etc/passwd, or a number"}
	case groups:
		return &socket.Advised{Err: fmt.Errorf("user %d is not in /etc/passwd, so it has no group", uid), Advice: "say which group too"}
	default:
		u.UID = uid
		return nil
	}
	if !groups {
		return nil
	}
	u.GID, _ = parseID(entry.Gid)
	ids, err := entry.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %q: %w", name, err)
	}
	for _, id := range ids {
		if gid, ok := parseID(id); ok {
			u.Groups = append(u.Groups, gid)
		}
	}
	return nil
}

func lookupGroup(name string) (int, error) {
	if entry, err := user.LookupGroup(name); err == nil {
		if gid, ok := parseID(entry.Gid); ok {
			return gid, nil
		}
	}
	if gid, ok := parseID(name); ok {
		return gid, nil
	}
	return 0, &socket.Advised{Err: fmt.Errorf("there is no group %q", name), Advice: "give a name of /etc/group, or a number"}
}

// parseID reads a user's or group's number. The greatest is what chown(2)
// takes for "leave it", and none.
func parseID(text string) (int, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	return int(id), err == nil && id != 1<<32-1
}

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
