// Package users finds the numbers of users and groups in the files of the system, as
// package os/user does without cgo, and is a hundredth of its size.
package users

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ParseID reads a user's or group's number. The greatest is what chown(2)
// takes for "leave it", and none.
func ParseID(text string) (int, bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	return int(id), err == nil && id != 1<<32-1
}

// UID returns the number of a user by name or number.
func UID(name string) (int, error) {
	if uid, ok := ParseID(lookup("/etc/passwd", name)); ok {
		return uid, nil
	}
	return 0, NoUser(name)
}

// NoUser is the error for a user that is neither in the system's data base nor a
// number.
func NoUser(name string) error {
	return fmt.Errorf("there is no user %q: give a name in /etc/passwd, or a number", name)
}

// GID returns the number of a group by name or number.
func GID(name string) (int, error) {
	if gid, ok := ParseID(lookup("/etc/group", name)); ok {
		return gid, nil
	}
	return 0, fmt.Errorf("there is no group %q: give a name in /etc/group, or a number", name)
}

// lookup returns the number of a name in one of the files, whose lines are
// NAME:PASSWORD:NUMBER:..., and the name itself where it has none.
func lookup(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if field := strings.Split(line, ":"); field[0] == name && len(field) > 3 {
			return field[2]
		}
	}
	return name
}
