package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"zocalo/service"
	"zocalo/service/admin"
	"zocalo/service/upstream"
)

// adminAt is where the admin server of run answers.
type adminAt struct {
	tcp       string // HOST:PORT, "" for none
	socket    string // a path, "" for the usual one, "none" for none
	tokenFile string
}

func (at *adminAt) declare(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&at.tcp, "admin", "", "also serve the admin API and the live page at `HOST:PORT`, such as 127.0.0.1:0")
	f.StringVar(&at.socket, "admin-socket", "", "`PATH` of the admin socket for ctl, or none; by default in a private folder of the user")
	f.StringVar(&at.tokenFile, "admin-token-file", "", "`FILE` with the token for --admin, mode 0600; without it a token is made, and printed in the URL")
}

// administer serves the admin API of run until the func that it returns is called.
func (r *runRun) administer(reload func(context.Context) error) (end func(), err error) {
	token := ""
	if r.admin.tokenFile != "" {
		if token, err = readToken(r.admin.tokenFile); err != nil {
			return nil, err
		}
		if r.admin.tcp == "" {
			return nil, usagef("--admin-token-file is for --admin: give HOST:PORT")
		}
	}
	shown := token == ""
	if shown {
		token = admin.NewToken()
	}
	s := admin.New(admin.Config{
		Source: adminSet{r.set, &r.toxic}, Token: token, Log: r.page.log, Calls: r.page.calls, Version: version,
		Controls: admin.Controls{Reload: reload, Drain: r.set.Drain, Eject: r.set.Eject, Restore: r.set.Restore, Level: &r.level, Explain: admin.Explain},
	})
	var listeners []net.Listener
	fail := func(err error) (func(), error) {
		for _, l := range listeners {
			l.Close()
		}
		return nil, err
	}
	if r.admin.tcp != "" {
		l, err := listenAdmin(r.admin.tcp)
		if err != nil {
			return fail(err)
		}
		listeners = append(listeners, l)
		url := fmt.Sprintf("http://%s/", l.Addr())
		if shown {
			url += "#token=" + token
		}
		if err := r.sayPage(url); err != nil {
			return fail(err)
		}
	}
	if r.admin.socket != "none" {
		path, err := r.admin.socket, error(nil)
		if path == "" {
			path, err = admin.Path()
		}
		var l net.Listener
		if err == nil {
			l, err = admin.Listen(path)
		}
		switch {
		case err == nil:
			listeners = append(listeners, l)
			r.log.Debug("admin socket", "path", path)
		case r.admin.socket != "": // it was asked for
			return fail(fmt.Errorf("--admin-socket: %w", err))
		default:
			r.log.Debug("no admin socket, so ctl cannot reach this command", "error", err)
		}
	}
	for _, l := range listeners {
		go s.Serve(l)
	}
	return s.Close, nil
}

// listenFlag listens on the HOST:PORT of a flag; without HOST on the loopback address.
func listenFlag(flag, at, example string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil, usagef("%s %q is not HOST:PORT, such as %s", flag, at, example)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, at, err)
	}
	return l, nil
}

// listenAdmin listens on the address of --admin, which requests must be able to name.
func listenAdmin(at string) (net.Listener, error) {
	host, port, _ := net.SplitHostPort(at) // or listenFlag says why not
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		return nil, usagef("--admin %s: requests must name the server by its address: give one of this computer's, such as 127.0.0.1:%s", at, port)
	}
	return listenFlag("--admin", at, "127.0.0.1:9000")
}

// readToken reads the token of a file that nobody else may read.
func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("--admin-token-file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("--admin-token-file %s: other users can read it (%v): chmod 600 it", path, info.Mode().Perm())
	}
	b := make([]byte, 4096)
	n, _ := f.Read(b)
	token := strings.TrimSpace(string(b[:n]))
	if len(token) < 16 {
		return "", fmt.Errorf("--admin-token-file %s: a token needs at least 16 characters", path)
	}
	return token, nil
}

// reloadFor is a reload that somebody asked for, who is told why it failed.
func (r *runRun) reloadFor(context.Context) error {
	_, err := r.reload("asked for", false)
	return err
}

// An adminSet shows a set of services.
type adminSet struct {
	*service.Set
	toxic *toxic
}

// Services are how they are.
func (s adminSet) Services() (all []admin.Service) {
	for _, v := range s.Status().Services {
		t := v.Totals
		a := admin.Service{
			Name: v.Name, Verb: v.Verb, To: v.To, Engine: v.Engine, Slower: v.EngineWhy,
			Open: t.Open, Ended: t.Ended, Reset: t.Reset, Failed: t.Failed, Refused: t.Refused, Dropped: t.Dropped,
			Bytes: [2]int64{t.Sent, t.Received}, Messages: [2]int64{t.SentMessages, t.ReceivedMessages},
		}
		if v.State != service.Running {
			a.State = string(v.State)
			if v.Why != "" {
				a.State += ": " + v.Why
			}
		}
		for _, l := range v.Listeners {
			a.From = append(a.From, l.Address)
		}
		if v.Upstreams != nil {
			a.To = nil
			a.Upstreams = adminUpstreams(v.Upstreams)
		}
		all = append(all, a)
	}
	return append(all, s.toxic.services()...)
}

func adminUpstreams(s *upstream.Status) (all []admin.Upstream) {
	for _, v := range s.Servers {
		why := v.Why
		if why == "" {
			why = v.LastCheckError
		}
		all = append(all, admin.Upstream{
			Address: v.Address, Up: v.Health == upstream.Up, Why: why, Since: v.Since, Open: int(v.Open), Total: v.Total, Failed: v.Failed,
			Weight: v.Weight, Backup: v.Backup, Off: v.Health == upstream.Off, Ejected: v.Until,
		})
	}
	return all
}

// Pairs are the open ones of a service.
func (s adminSet) Pairs(name string) []admin.Pair {
	pairs, ok := s.Set.Pairs(name)
	if !ok {
		return s.toxic.pairs(name)
	}
	return adminPairs(pairs)
}
