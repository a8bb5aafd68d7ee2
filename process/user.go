package process

import (
	"fmt"
	"os"
	"os/user"
	"strings"

	"zocalo/internal/users"
	"zocalo/socket"
)

// A User is who runs a program, see credentials(7).
type User struct {
	UID, GID int
	Groups   []int // supplementary groups

	// Of another user than the caller: what the system's data base has, see
	// Login.
	Name, Home, Shell string
}

// Login returns the variables that a login sets, as "NAME=value": HOME, USER,
// LOGNAME and SHELL; none where the user is the caller. They are for the
// [Command]'s Env: a program that runs as somebody else must not look for its
// files in the caller's home.
func (u *User) Login() []string {
	if u == nil || u.Name == "" {
		return nil
	}
	return []string{"HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=" + u.Shell}
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
		gid, err := users.GID(group)
		if err != nil {
			return nil, err
		}
		u.GID, u.Groups = gid, []int{gid}
	}
	return u, nil
}

func (u *User) lookup(name string, groups bool) error {
	uid, numeric := users.ParseID(name)
	entry, err := user.Lookup(name)
	if err != nil && numeric {
		entry, err = user.LookupId(name)
	}
	u.Name, u.Home, u.Shell = name, "/", "/bin/sh"
	switch {
	case err == nil:
		u.UID, _ = users.ParseID(entry.Uid)
		u.Name, u.Home = entry.Username, entry.HomeDir
		if shell := loginShell(entry.Username); shell != "" {
			u.Shell = shell
		}
	case !numeric:
		return users.NoUser(name)
	case groups:
		return &socket.HintError{Err: fmt.Errorf("user %d is not in /etc/passwd, so it has no group", uid), Hint: "say which group too"}
	default:
		u.UID = uid
		return nil
	}
	if !groups {
		return nil
	}
	u.GID, _ = users.ParseID(entry.Gid)
	ids, err := entry.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %q: %w", name, err)
	}
	for _, id := range ids {
		if gid, ok := users.ParseID(id); ok {
			u.Groups = append(u.Groups, gid)
		}
	}
	return nil
}

// loginShell returns the shell of a user in /etc/passwd, which package user does
// not tell.
func loginShell(name string) string {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(f) == 7 && f[0] == name {
			return f[6]
		}
	}
	return ""
}
