package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"zocalo/layer/internal/file"
)

// Users are who may use a proxy, by a file that is read each time since it may change.
type Users struct{ Path string }

// Needed reports whether peers must authenticate.
func (u Users) Needed() bool { return u.Path != "" }

// Know reports whether the user exists and has that password.
func (u Users) Know(user, password string) (bool, error) {
	text, err := file.Read(usersOption.Name, u.Path)
	if err != nil {
		return false, err
	}
	all, err := u.parse(text)
	if err != nil {
		return false, err
	}
	want, known := all[user]
	x, y := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1 && known, nil
}

// check says what is wrong with the file, and warns if others can read it.
func (u Users) check() error {
	text, err := file.Read(usersOption.Name, u.Path)
	if err != nil {
		return err
	}
	file.CheckSecret(usersOption.Name, u.Path)
	_, err = u.parse(text)
	return err
}

// parse reads the text of the file: lines USER:PASSWORD, and comments.
func (u Users) parse(text []byte) (map[string]string, error) {
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
		return nil, fmt.Errorf("users=%s: it has no users: add lines USER:PASSWORD", u.Path)
	}
	return all, lines.Err()
}
