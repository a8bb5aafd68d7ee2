package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"zocalo/layer/tls"
)

// certRun is the verb cert: certificates to try TLS with.
type certRun struct {
	*app
	client string
	days   int
}

func (a *app) certVerb() *cobra.Command {
	c := &certRun{app: a}
	cmd := &cobra.Command{
		Use:   "cert FOLDER [NAME...]",
		Short: "Make a certificate authority and certificates to try TLS with",
		Long: `cert writes files to the folder that only their owner can read: ca.pem, the
authority's certificate, for the options ca= and client-ca=; server.pem, a
certificate for the names, with its key, for cert= of a listener; and client.pem,
one for --client, for cert= of a client. Names are host names, addresses or
people (ana@example.org); the default is the names of this machine.

The authority's key is in ca-key.pem. If that exists, it is used again and the two
certificates are renewed; a running listener picks them up.

Anyone with ca-key.pem can impersonate any host to those who trust ca.pem: use
this for experiments, on your own machines.`,
		Example: `  zocalo cert /tmp/tls
  zocalo cert /tmp/tls db.example 10.0.0.7 --client ana@example.org
  zocalo cert /tmp/tls --days -1`,
		Args: arguments(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(args[0], args[1:]) },
	}
	f := cmd.Flags()
	f.StringVar(&c.client, "client", "client", "the `NAME` in the client's certificate")
	f.IntVar(&c.days, "days", 365, "days of validity; negative makes expired certificates")
	return cmd
}

// mostDays bounds the validity of certificates, a hundred years: X.509 knows no year 10000.
const mostDays = 36500

// certFiles is what --json prints of the files that cert has made.
type certFiles struct {
	CA     string `json:"ca"`
	Server string `json:"server"`
	Client string `json:"client"`
}

func (c *certRun) run(dir string, names []string) error {
	if len(names) == 0 {
		names = tls.LocalNames()
	}
	for _, name := range append([]string{c.client}, names...) {
		if err := tls.CheckName(name); err != nil {
			return usagef("%v", err)
		}
	}
	if c.days < -mostDays || c.days > mostDays {
		return usagef("--days %d: it must be between -%d and %[2]d", c.days, mostDays)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return fmt.Errorf("make the folder %s: %w: give another one", dir, err)
	}
	authority, err := c.authority(dir)
	if err != nil {
		return err
	}
	until := time.Now().AddDate(0, 0, c.days)
	server, err := authority.Issue(until, names...)
	if err != nil {
		return err
	}
	client, err := authority.Issue(until, c.client)
	if err != nil {
		return err
	}
	files := certFiles{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "client.pem")}
	for path, text := range map[string][]byte{files.CA: authority.Certificate(), files.Server: server, files.Client: client} {
		if err := replaceFile(path, text); err != nil {
			return err
		}
	}
	return c.printResult(files, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "zocalo listen tls:0,cert=%s,client-ca=%s and zocalo talk tls:localhost:PORT,ca=%s,cert=%s\n",
			files.Server, files.CA, files.CA, files.Client)
		return err
	})
}

// authority returns the one of the folder, which it makes if there is none.
func (c *certRun) authority(dir string) (*tls.Authority, error) {
	path := filepath.Join(dir, "ca-key.pem")
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		a, err := tls.ReadAuthority(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: give another folder", path, err)
		}
		return a, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	a, err := tls.NewAuthority(time.Now().AddDate(10, 0, 0))
	if err != nil {
		return nil, err
	}
	if text, err = a.PEM(); err != nil {
		return nil, err
	}
	return a, replaceFile(path, text)
}

// replaceFile puts a file in the place of another at once, so that whoever reads it
// meanwhile has one or the other.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
