package main

import (
	"bufio"
	"context"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"zocalo/internal/units"
	"zocalo/sockstat"
)

// The bounds of --resolve.
const (
	resolveTime    = 10 * time.Second // for all names of a listing
	resolveWorkers = 16               // addresses asked for at once
	maxHosts       = 1 << 16          // names remembered
	maxServices    = 1 << 20          // bytes of /etc/services read
)

// A resolver finds the names of addresses and ports.
type resolver struct {
	lookup   func(ctx context.Context, address string) ([]string, error)
	note     func(string)
	left     time.Duration // for further look-ups
	hosts    map[netip.Addr]string
	services map[string]string // as "80/tcp"
}

// newResolver makes a resolver that asks lookup for the names of an address.
func newResolver(lookup func(context.Context, string) ([]string, error), note func(string)) *resolver {
	r := &resolver{lookup: lookup, note: note, left: resolveTime, hosts: make(map[netip.Addr]string)}
	if f, err := os.Open("/etc/services"); err == nil { // without it ports stay numbers
		r.services = parseServices(io.LimitReader(f, maxServices))
		f.Close()
	}
	return r
}

// parseServices reads services(5): a name, a port with its protocol, other names.
func parseServices(from io.Reader) map[string]string {
	services := make(map[string]string)
	for lines := bufio.NewScanner(from); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if fields := strings.Fields(text); len(fields) >= 2 && services[fields[1]] == "" {
			services[fields[1]] = fields[0]
		}
	}
	return services
}

// find looks the addresses of a batch up, several at once.
func (r *resolver) find(ctx context.Context, batch []*sockstat.Socket) {
	if len(r.hosts) > maxHosts {
		clear(r.hosts)
	}
	var unknown []netip.Addr
	for _, s := range batch {
		for _, end := range [...]*sockstat.Name{&s.Local, &s.Peer} {
			a := hostAddress(end)
			if _, known := r.hosts[a]; !known && a.IsValid() && !a.IsUnspecified() {
				r.hosts[a] = ""
				unknown = append(unknown, a)
			}
		}
	}
	if len(unknown) == 0 || r.left <= 0 {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.left)
	defer cancel()
	work := make(chan netip.Addr)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(resolveWorkers, len(unknown)) {
		wg.Go(func() {
			for a := range work {
				// An address without a name, or whose name is not found in time, stays a number.
				names, err := r.lookup(ctx, a.String())
				if err != nil || len(names) == 0 {
					continue
				}
				mu.Lock()
				r.hosts[a] = strings.TrimSuffix(names[0], ".")
				mu.Unlock()
			}
		})
	}
	for _, a := range unknown {
		work <- a
	}
	close(work)
	wg.Wait()
	if r.left -= time.Since(began); ctx.Err() == context.DeadlineExceeded {
		r.left = 0
		r.note("not all host names were found within " + units.Set(resolveTime) + ": the rest are shown as numbers")
	}
}

// hostAddress is an end's address as names are found for it.
func hostAddress(n *sockstat.Name) netip.Addr { return n.Addr.Addr().Unmap() }

// host is the name of an end's host, "" if it has none.
func (r *resolver) host(n *sockstat.Name) string { return r.hosts[hostAddress(n)] }

// service is the name of the service at an end's port, "" if it has none.
func (r *resolver) service(s *sockstat.Socket, n *sockstat.Name) string {
	protocol := "tcp"
	switch s.Kind {
	case sockstat.TCP, sockstat.MPTCP:
	case sockstat.UDP:
		protocol = "udp"
	default:
		return ""
	}
	return r.services[strconv.Itoa(int(n.Addr.Port()))+"/"+protocol]
}

// foundNames are what --resolve adds to a socket's JSON.
type foundNames [4]struct{ key, name string }

func (r *resolver) names(s *sockstat.Socket) foundNames {
	return foundNames{
		{"local_host", r.host(&s.Local)}, {"local_service", r.service(s, &s.Local)},
		{"peer_host", r.host(&s.Peer)}, {"peer_service", r.service(s, &s.Peer)},
	}
}

// appendCell appends a column's cell with names, nothing where there is none.
func (r *resolver) appendCell(dst []byte, column string, s *sockstat.Socket) []byte {
	end := &s.Local
	switch column {
	case "peer", "raddr", "rport":
		end = &s.Peer
	case "local", "laddr", "lport":
	default:
		return dst
	}
	host, service := r.host(end), r.service(s, end)
	switch column {
	case "laddr", "raddr":
		return appendSafe(dst, host)
	case "lport", "rport":
		return appendSafe(dst, service)
	}
	if host == "" && service == "" {
		return dst
	}
	if host == "" {
		if host = end.Addr.Addr().String(); end.Addr.Addr().Is6() {
			host = "[" + host + "]"
		}
	}
	if end.Addr.Port() == 0 {
		return appendSafe(dst, host)
	}
	if service == "" {
		service = strconv.Itoa(int(end.Addr.Port()))
	}
	return appendSafe(dst, host+":"+service)
}

func appendSafe(dst []byte, name string) []byte {
	if name == "" {
		return dst
	}
	return append(dst, sockstat.Quote(name)...)
}
