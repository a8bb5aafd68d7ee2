package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"os"
	"strings"
)

// Users are those of a file, which is read each time: it may change.
type Users struct{ Path string }

// Needed reports whether peers must say who they are.
func (u Users) Needed() bool { return u.Path != "" }

// Know reports whether the password is that of the user.
func (u Users) Know(user, password string) (bool, error) {
	all, err := u.read()
	if err != nil {
		return false, err
	}
	want, known := all[user]
	x, y := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1 && known, nil
}

// read reads the file, a USER:PASSWORD in each line.
func (u Users) read() (map[string]string, error) {
	text, err := os.ReadFile(u.Path)
	if err != nil {
		return nil, fmt.Errorf("users=: %w", err)
	}
	all := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		user, password, ok := strings.Cut(line, ":")
		if !ok || user == "" || password == "" {
			return nil, fmt.Errorf("users=%s: line %d is not USER:PASSWORD", u.Path, n)
		}
		all[user] = password
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("users=%s: nobody is in it", u.Path)
	}
	return all, lines.Err()
}
