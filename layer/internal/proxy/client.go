package proxy

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"zocalo/socket"
)

// ClientOptions are the options of a layer that goes on through a proxy. Each kind
// of proxy has its own, since an address may go through several.
type ClientOptions struct {
	To           *socket.Option[Destination]
	User         *socket.Option[string]
	PasswordFile *socket.Option[string]

	// Password is given by programs alone, as a default, which nothing prints.
	Password *socket.Option[string]
}

// secret is the codec of a password.
var secret = socket.Codec[string]{
	Placeholder: "refused",
	Parse: func(string) (string, error) {
		return "", errors.New("everybody on this machine would see it: put it into a file, and give password-file=")
	},
	Format: func(string) string { return "..." },
}

// NewClientOptions defines them.
func NewClientOptions() *ClientOptions {
	return &ClientOptions{
		To: socket.NewOption(socket.Spec{
			Name: "to", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "none: it must be given",
			Doc: "where the proxy is to go on to; of several proxies the first to= is that of the first, which the endpoint names",
		}, destination, nil, nil),
		User: socket.NewOption(socket.Spec{
			Name: "user", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "none",
			Doc: "who to be for the proxy",
		}, socket.Text.Or("NAME"), nil, nil),
		PasswordFile: socket.NewOption(socket.Spec{
			Name: "password-file", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "none",
			Doc: "a file whose first line is the password of user=",
		}, socket.Text.Or("FILE"), nil, nil),
		Password: socket.NewOption(socket.Spec{
			Name: "password", Phase: socket.Naming, Only: socket.ActiveOnly, Default: "none",
			Doc: "is refused, since everybody on this machine would see it: password-file= is the way",
		}, secret, nil, nil),
	}
}

// Specs are those options.
func (o *ClientOptions) Specs() []*socket.Spec {
	return []*socket.Spec{o.To.Spec, o.User.Spec, o.PasswordFile.Spec, o.Password.Spec}
}

// A Client is what an address says of a proxy.
type Client struct {
	To             Destination
	User, Password string
}

// Client reads the options.
func (o *ClientOptions) Client(ss socket.Settings) (c Client, err error) {
	var ok bool
	if c.To, ok = o.To.In(ss); !ok {
		return c, errors.New("where is the proxy to go on to? Add to=HOST:PORT")
	}
	c.User, _ = o.User.In(ss)
	c.Password, _ = o.Password.In(ss)
	path, ok := o.PasswordFile.In(ss)
	switch {
	case !ok:
		return c, nil
	case c.User == "":
		return c, errors.New("password-file= is that of user=, which is missing")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("password-file=: %w", err)
	}
	c.Password, _, _ = strings.Cut(string(text), "\n")
	if c.Password = strings.TrimSuffix(c.Password, "\r"); c.Password == "" {
		return c, fmt.Errorf("password-file=%s: its first line is empty", path)
	}
	return c, nil
}

// A RefusedError is a proxy's answer that it does not go on.
type RefusedError struct {
	To     Destination
	Answer string        // the proxy's, in words
	Errno  syscall.Errno // the like of it in a connection of one's own; 0 for none
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the proxy did not reach %v: %s", e.To, e.Answer)
}

func (e *RefusedError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}
