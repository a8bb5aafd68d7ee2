package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// NewToken returns a token that nobody can guess: 192 bits, as text without characters
// that a URL or a shell would take for its own.
func NewToken() string {
	var b [24]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// policy is what the page may load: its own files, and what the server itself tells.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A guard lets through who may ask on a listener.
type guard struct {
	next  http.Handler
	hosts []string // what Host may be; nil where the peer's user is checked
	token [sha256.Size]byte
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if g.hosts == nil { // over a unix socket, from whom it takes
		letThrough(r)
		g.next.ServeHTTP(w, r)
		return
	}
	switch {
	case !g.isHost(r.Host):
		fail(w, http.StatusForbidden, "the request is for another host than this server: use one of "+strings.Join(g.hosts, ", "))
	case !g.isOwnOrigin(r):
		fail(w, http.StatusForbidden, "the request comes from another site")
	case !isPage(r) && !g.hasToken(r):
		h.Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "the token is missing or wrong: send it as Authorization: Bearer TOKEN")
	default:
		if g.hasToken(r) {
			letThrough(r)
		}
		g.next.ServeHTTP(w, r)
	}
}

// isHost reports whether a Host is this server. It is compared as an address, so that no
// text that merely looks alike passes.
func (g *guard) isHost(host string) bool { return slices.Contains(g.hosts, canonical(host)) }

// canonical is a host and port in one spelling. Two names are the same only if they are
// spelled so: none is ever looked up.
func canonical(hostport string) string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), "80"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

// isOwnOrigin reports whether a request may come from where a browser says it does. What
// is no browser says nothing. Reading needs the token in any case.
func (g *guard) isOwnOrigin(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origins := r.Header.Values("Origin")
	return !slices.ContainsFunc(origins, func(o string) bool {
		u, err := url.Parse(o)
		return err != nil || u.Scheme != "http" || canonical(u.Host) != canonical(r.Host)
	})
}

func (g *guard) hasToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// hostsOf are the names of a listener: the address that it has, and localhost for one of
// the loopback.
func hostsOf(a net.Addr) []string {
	t, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return []string{}
	}
	hosts := []string{netip.AddrPortFrom(t.Addr().Unmap(), t.Port()).String()}
	if t.Addr().Unmap().IsLoopback() {
		_, port, _ := net.SplitHostPort(hosts[0])
		hosts = append(hosts, "localhost:"+port)
	}
	return hosts
}
