package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"zocalo/socket"
	"zocalo/sockstat"
)

// holderPatience bounds the search for whoever has a name.
const holderPatience = 2 * time.Second

// nameHolders puts into the advice on names in use who has them, as far as this user
// may see that.
func nameHolders(err error) {
	switch e := err.(type) {
	case *socket.HintError:
		var op *net.OpError
		if !errors.Is(e, syscall.EADDRINUSE) || !errors.As(e, &op) || op.Addr == nil {
			return
		}
		if who := holder(op.Net, op.Addr.String()); who != "" {
			e.Hint = who + " has it: stop that, or choose another"
		}
	case interface{ Unwrap() error }:
		nameHolders(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			nameHolders(err)
		}
	}
}

// holder is who has a name of a network, or a part of it; "" where that is not known.
func holder(network, name string) string {
	q := sockstat.Query{Details: sockstat.Processes | sockstat.Users, FoldSubflows: true}
	host, _, _ := strings.Cut(name, ",") // of iso, which is over TCP
	at, err := netip.ParseAddrPort(host)
	switch {
	case strings.HasPrefix(network, "unix"):
		q.Kinds = []sockstat.Kind{sockstat.Unix}
		path, abstract := strings.CutPrefix(name, "@")
		q.Want = func(s *sockstat.Socket) bool { return s.Local.Abstract == abstract && samePath(s.Local.Path, path) }
	case err != nil:
		return ""
	default:
		q.Kinds = []sockstat.Kind{sockstat.MPTCP, sockstat.TCP}
		if strings.HasPrefix(network, "udp") {
			q.Kinds = []sockstat.Kind{sockstat.UDP}
		}
		q.Want = func(s *sockstat.Socket) bool { return overlap(s.Local.Addr, at) }
	}
	ctx, stop := context.WithTimeout(context.Background(), holderPatience)
	defer stop()
	var who, connected []string
	for s, err := range sockstat.Sockets(ctx, q) {
		if err != nil {
			break
		}
		list := &who
		if !s.Listening() {
			list = &connected
		}
		for _, text := range holderTexts(s) {
			if !slices.Contains(*list, text) {
				*list = append(*list, text)
			}
		}
	}
	if who == nil {
		who = connected
	}
	const most = 3
	if more := len(who) - most; more > 0 {
		who = append(who[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(who, " and ")
}

func holderTexts(s *sockstat.Socket) (who []string) {
	for _, h := range s.Holders {
		who = append(who, fmt.Sprintf("%s (pid %d)", sockstat.Quote(h.Name), h.PID))
	}
	if who == nil && s.HasUID && s.Inode != 0 { // what nobody holds any more has none
		who = []string{"a program of user " + sockstat.Quote(s.User)}
	}
	return who
}

// overlap reports whether a socket may not have one name while another has the other.
func overlap(a, b netip.AddrPort) bool {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	return a.Port() == b.Port() && (x == y || x.IsUnspecified() || y.IsUnspecified())
}

// samePath reports whether two paths are one, if the programs that gave them run in the
// same folder.
func samePath(a, b string) bool {
	x, err := filepath.Abs(a)
	y, err2 := filepath.Abs(b)
	return a == b || a != "" && err == nil && err2 == nil && x == y
}
