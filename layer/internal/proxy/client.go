package proxy

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"zocalo/codec"
	"zocalo/layer/internal/file"
	"zocalo/socket/option"
)

// ClientOptions are the options of a layer that connects through a proxy. Each kind of
// proxy has its own set, since an address may go through several proxies.
type ClientOptions struct {
	To           *option.Option[Destination]
	User         *option.Option[string]
	PasswordFile *option.Option[string]

	// Password can only be set by programs, as a default, which nothing prints.
	Password *option.Option[string]
}

// secret is the codec of a password.
var secret = codec.Codec[string]{
	Placeholder: "refused",
	Parse: func(string) (string, error) {
		return "", errors.New("everyone on this machine could see it: write it to a file and give password-file=")
	},
	Format: func(string) string { return "..." },
}

// NewClientOptions returns a new set.
func NewClientOptions() *ClientOptions {
	return &ClientOptions{
		To: option.New(option.Spec{
			Name: "to", Phase: option.Naming, Only: option.ActiveOnly, Default: "none: it is required",
			Doc: "where the proxy should connect to; with several proxies, the first to= is for the one at the endpoint",
		}, destination, nil, nil),
		User: option.New(option.Spec{
			Name: "user", Phase: option.Naming, Only: option.ActiveOnly, Default: "none",
			Doc: "the user name for the proxy",
		}, codec.Text.Or("NAME"), nil, nil),
		PasswordFile: option.New(option.Spec{
			Name: "password-file", Phase: option.Naming, Only: option.ActiveOnly, Default: "none",
			Doc: "a file whose first line is the password of user=",
		}, codec.Text.Or("FILE"), nil, nil),
		Password: option.New(option.Spec{
			Name: "password", Phase: option.Naming, Only: option.ActiveOnly, Default: "none",
			Doc: "refused, since everyone on this machine could see it: use password-file=",
		}, secret, nil, nil),
	}
}

// Specs returns them as a list.
func (o *ClientOptions) Specs() []*option.Spec {
	return []*option.Spec{o.To.Spec, o.User.Spec, o.PasswordFile.Spec, o.Password.Spec}
}

// A Client is what an address says about a proxy.
type Client struct {
	To             Destination
	User, Password string
}

// Client reads the options.
func (o *ClientOptions) Client(ss option.Settings) (c Client, err error) {
	var ok bool
	if c.To, ok = o.To.In(ss); !ok {
		return c, errors.New("to= is missing: add to=HOST:PORT, where the proxy should connect to")
	}
	c.User, _ = o.User.In(ss)
	c.Password, _ = o.Password.In(ss)
	path, ok := o.PasswordFile.In(ss)
	switch {
	case !ok:
		return c, nil
	case c.User == "":
		return c, errors.New("password-file= without user=: add the user that the password belongs to")
	}
	text, err := file.Read(o.PasswordFile.Name, path)
	if err != nil {
		return c, err
	}
	file.CheckSecret(o.PasswordFile.Name, path)
	c.Password, _, _ = strings.Cut(string(text), "\n")
	if c.Password = strings.TrimSuffix(c.Password, "\r"); c.Password == "" {
		return c, fmt.Errorf("password-file=%s: its first line is empty", path)
	}
	return c, nil
}

// A RefusedError is a proxy's answer that it cannot or will not connect.
type RefusedError struct {
	To     Destination
	Answer string        // of the proxy, in words
	Errno  syscall.Errno // what a direct connection would have said; 0 if unknown
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the proxy did not connect to %v: %s", e.To, e.Answer)
}

func (e *RefusedError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}
