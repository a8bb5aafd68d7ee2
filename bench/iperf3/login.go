package iperf3

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // OAEP's, as OpenSSL has it unless told
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"zocalo/internal/units"
)

// A Login is the user and password that a client tells a server which wants them. They go
// encrypted to the server's public key, with the time, in the parameters.
type Login struct {
	User, Password string
	Key            *rsa.PublicKey

	// PKCS1 encrypts as iperf3 did before 3.17, with the padding of PKCS #1 v1.5. Those
	// from 3.17 on want OAEP unless told.
	PKCS1 bool
}

// Users are whom a [Server] serves.
type Users struct {
	Key *rsa.PrivateKey

	// File has a line for each user, USER,HASH, as iperf3's does: the hash is the SHA-256 of
	// {USER}PASSWORD in hexadecimal digits. A line that begins with # is none. It is read for
	// each client.
	File string

	// PKCS1 takes what clients before 3.17 send. It is not taken else, since who measures
	// how long a server takes over such messages can read others'.
	PKCS1 bool

	// Skew is how far the client's clock may be off; 0 is DefaultSkew.
	Skew time.Duration
}

// DefaultSkew is iperf3's.
const DefaultSkew = 10 * time.Second

// mostUsers bounds the file in bytes.
const mostUsers = 1 << 20

// token is what the parameters have.
func (l *Login) token(now time.Time) (string, error) {
	text := fmt.Appendf(nil, "user: %s\npwd:  %s\nts:   %d", l.User, l.Password, now.Unix())
	var secret []byte
	var err error
	if l.PKCS1 {
		//lint:ignore SA1019 it is what those servers take
		secret, err = rsa.EncryptPKCS1v15(rand.Reader, l.Key, text)
	} else {
		secret, err = rsa.EncryptOAEP(sha1.New(), rand.Reader, l.Key, text, nil)
	}
	if err != nil {
		return "", fmt.Errorf("iperf3: user and password for a key of %d bits: %w", l.Key.Size()*8, err)
	}
	return base64.StdEncoding.EncodeToString(secret), nil
}

// check says why the server does not serve who sent a token, nil if it does. A client
// hears no reason.
func (u *Users) check(token string, now time.Time) (user string, err error) {
	if token == "" {
		return "", errors.New("no user was given")
	}
	secret, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return "", errors.New("the login is not base64")
	}
	var text []byte
	if u.PKCS1 {
		//lint:ignore SA1019 it is what those clients send, and only where that is asked for
		text, err = rsa.DecryptPKCS1v15(nil, u.Key, secret)
	} else {
		text, err = rsa.DecryptOAEP(sha1.New(), nil, u.Key, secret, nil)
	}
	if err != nil {
		return "", fmt.Errorf("the login is not for this key, or its client uses another padding (option pkcs1): %w", err)
	}
	user, password, at, ok := parseLogin(string(text))
	if !ok {
		return "", errors.New("the login has an unknown form")
	}
	if off := now.Sub(time.Unix(at, 0)).Abs(); off > max(u.Skew, 0) && (u.Skew > 0 || off > DefaultSkew) {
		return user, fmt.Errorf("its clock differs from this one by %s", units.Set(off.Round(time.Second)))
	}
	want, err := u.hash(user)
	if err != nil {
		return user, err
	}
	got := sha256.Sum256([]byte("{" + user + "}" + password))
	if subtle.ConstantTimeCompare(got[:], want) != 1 {
		return user, errors.New("user or password is wrong")
	}
	return user, nil
}

func parseLogin(text string) (user, password string, at int64, ok bool) {
	rest, is := strings.CutPrefix(text, "user: ")
	user, rest, more := strings.Cut(rest, "\npwd:  ")
	end := strings.LastIndex(rest, "\nts:   ")
	if !is || !more || end < 0 {
		return "", "", 0, false
	}
	at, err := strconv.ParseInt(rest[end+len("\nts:   "):], 10, 64)
	return user, rest[:end], at, err == nil
}

// hash finds a user's in the file, something that no password has where there is none.
func (u *Users) hash(user string) ([]byte, error) {
	text, err := readBounded(u.File, mostUsers)
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, hash, ok := strings.Cut(strings.TrimSpace(lines.Text()), ",")
		if !ok || strings.HasPrefix(name, "#") || name != user {
			continue
		}
		if b, err := hex.DecodeString(strings.TrimSpace(hash)); err == nil && len(b) == sha256.Size {
			return b, nil
		}
		return nil, fmt.Errorf("%s: the hash of user %q is not 64 hexadecimal digits", u.File, printable(user))
	}
	return nil, nil
}

// readBounded reads a file that a person wrote.
func readBounded(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > most {
		err = fmt.Errorf("%s has %d bytes: the maximum is %d", name, info.Size(), most)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}

// readKey reads a key of RSA in PEM, as openssl writes it.
func readKey[T any](name string, parsers ...func([]byte) (any, error)) (key T, err error) {
	text, err := readBounded(name, mostUsers)
	if err != nil {
		return key, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return key, fmt.Errorf("%s is not a PEM key: openssl makes one", name)
	}
	for _, parse := range parsers {
		if any, err := parse(block.Bytes); err == nil {
			if key, ok := any.(T); ok {
				return key, nil
			}
		}
	}
	return key, fmt.Errorf("%s: its %.40q is not an RSA key of this sort, or has a password", name, block.Type)
}

// ReadPublicKey reads the key to which a [Login] is encrypted.
func ReadPublicKey(name string) (*rsa.PublicKey, error) {
	return readKey[*rsa.PublicKey](name, x509.ParsePKIXPublicKey, func(b []byte) (any, error) { return x509.ParsePKCS1PublicKey(b) })
}

// ReadPrivateKey reads the key of [Users].
func ReadPrivateKey(name string) (*rsa.PrivateKey, error) {
	return readKey[*rsa.PrivateKey](name, x509.ParsePKCS8PrivateKey, func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) })
}
