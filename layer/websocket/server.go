package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	"zocalo/layer/internal/prefix"
	"zocalo/socket"
)

// A request is what a client asks for.
type request struct {
	p                 *prepared
	e                 *endpoint
	uri, host, origin string
	offered           bool // subprotocols
	packs             bool
}

// accept is WebSocket's server over a connection.
func (p *prepared) accept(ctx context.Context, lower *socket.Socket, heard func()) (*socket.Socket, error) {
	e := p.endpoint(lower)
	q := &request{p: p, e: e}
	var facts []socket.Fact
	err := prefix.Within(ctx, lower, func() (err error) {
		facts, err = q.serve(heard)
		return err
	})
	if err != nil {
		e.reader.forget()
		return nil, err
	}
	return p.socket(e, q.packs, facts), nil
}

// serve reads the request, and answers it.
func (q *request) serve(heard func()) ([]socket.Fact, error) {
	head, err := q.e.reader.in.head()
	heard()
	if err != nil {
		return nil, err
	}
	u := ws.Upgrader{
		OnRequest:       func(uri []byte) error { q.uri = string(uri); return q.refusesPath() },
		OnHost:          func(host []byte) error { q.host = string(host); return nil },
		OnHeader:        q.header,
		OnBeforeUpgrade: func() (ws.HandshakeHeader, error) { return nil, q.refuses() },
	}
	if len(q.p.subprotocols) > 0 {
		u.Protocol = func(name []byte) bool {
			q.offered = true
			return slices.Contains(q.p.subprotocols, string(name))
		}
	}
	if q.p.deflate {
		u.Negotiate = q.negotiate
	}
	var answer bytes.Buffer
	hs, err := u.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(head), &answer})
	if err == nil && q.offered && hs.Protocol == "" {
		err = refusal(http.StatusBadRequest, "it offers none of the subprotocols "+strings.Join(q.p.subprotocols, ", "))
	}
	if err != nil {
		return nil, q.refuse(err)
	}
	if _, err := q.e.lower.Write(answer.Bytes()); err != nil {
		return nil, err
	}
	return q.facts(hs), nil
}

func (q *request) header(name, value []byte) error {
	if string(name) == "Origin" {
		q.origin = string(value)
	}
	return nil
}

func (q *request) negotiate(offer httphead.Option) (answer httphead.Option, err error) {
	if q.packs {
		return answer, nil
	}
	answer, q.packs = acceptOffer(offer)
	return answer, nil
}

func refusal(status int, reason string) error {
	return ws.RejectConnectionError(ws.RejectionStatus(status), ws.RejectionReason(reason))
}

func (q *request) refusesPath() error {
	path, _, _ := strings.Cut(q.uri, "?")
	if q.p.path != "" && path != q.p.path {
		return refusal(http.StatusNotFound, fmt.Sprintf("there is no WebSocket at %.100q: path= is %s", q.uri, q.p.path))
	}
	return nil
}

// refuses says why a request that is one of WebSocket is refused.
func (q *request) refuses() error {
	if q.origin != "" && !q.takesOrigin() {
		return refusal(http.StatusForbidden, fmt.Sprintf("pages of %.100q may not connect: origin= lists those that may", q.origin))
	}
	return nil
}

// takesOrigin reports whether a page of a browser may connect: one of the same host, or
// one that origin= has. By its own names a page elsewhere could have a browser take this
// machine for its host: a listener that is reached by loopback is so by a name of this
// machine.
func (q *request) takesOrigin() bool {
	origin := strings.ToLower(q.origin)
	if len(q.p.origins) > 0 {
		return slices.Contains(q.p.origins, "*") || slices.Contains(q.p.origins, origin)
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || withPort(u.Host, u.Scheme) != withPort(strings.ToLower(q.host), u.Scheme) {
		return false
	}
	own := q.e.lower.Name().AddrPort().Addr().Unmap()
	return !own.IsLoopback() || isLocal(u.Hostname())
}

// withPort is a host with the port that a scheme of URLs implies.
func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// refuse answers a request that is not served, in plain HTTP.
func (q *request) refuse(why error) error {
	status, text, headers := http.StatusBadRequest, withoutPrefix(why), ""
	var rejected *ws.ConnectionRejectedError
	if errors.As(why, &rejected) && rejected.StatusCode() != 0 {
		status = rejected.StatusCode()
	}
	switch why {
	case ws.ErrHandshakeBadUpgrade, ws.ErrHandshakeBadConnection, ws.ErrHandshakeBadMethod, ws.ErrHandshakeBadProtocol:
		status, text = http.StatusUpgradeRequired, "this is a WebSocket endpoint, not a web page"
		headers = "Upgrade: websocket\r\n"
	case ws.ErrHandshakeUpgradeRequired:
		headers = "Sec-WebSocket-Version: 13\r\n"
	}
	line := fmt.Sprintf("%d %s", status, http.StatusText(status))
	fmt.Fprintf(q.e.lower, "HTTP/1.1 %s\r\n%sConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s\n", line, headers, len(text)+1, text)
	prefix.Finish(q.e.lower)
	return fmt.Errorf("a request was refused with %q: %s", line, text)
}

// facts are what the request tells. The variables are those of CGI.
func (q *request) facts(hs ws.Handshake) (facts []socket.Fact) {
	add := func(name, variable, value string) {
		if value != "" {
			facts = append(facts, socket.Fact{Layer: q.p.layer.Name, Name: name, Variable: variable, Value: value})
		}
	}
	add("path", "REQUEST_URI", q.uri)
	add("", "HTTP_HOST", q.host)
	add("origin", "HTTP_ORIGIN", q.origin)
	add("subprotocol", "HTTP_SEC_WEBSOCKET_PROTOCOL", hs.Protocol)
	if q.packs {
		add("deflate", "", "on")
	}
	return facts
}
