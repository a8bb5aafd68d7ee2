package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"zocalo/layer/internal/prefix"
	"zocalo/socket"
)

// An answer reads the head of a server's answer, and writes what it answers to.
type answer struct {
	e    *endpoint
	all  []byte
	head bytes.Reader
	read bool
	err  error
}

func (a *answer) Write(b []byte) (int, error) { return a.e.lower.Write(b) }

func (a *answer) Read(b []byte) (int, error) {
	if !a.read {
		a.read = true
		var head []byte
		if head, a.err = a.e.reader.in.head(); a.err != nil && len(head) > 0 && !bytes.HasPrefix(head, []byte("HTTP/")) {
			a.err = fmt.Errorf("the answer begins with %.40q: this is not a web server", head)
		}
		a.all = head
		a.head.Reset(head)
	}
	if a.err != nil {
		return 0, a.err
	}
	return a.head.Read(b)
}

// connect is WebSocket's client over a connection.
func (p *prepared) connect(ctx context.Context, lower *socket.Socket) (*socket.Socket, error) {
	e := p.endpoint(lower)
	var packs bool
	var facts []socket.Fact
	err := prefix.Within(ctx, lower, func() (err error) {
		packs, facts, err = p.ask(e)
		return err
	})
	if err != nil {
		e.reader.forget()
		return nil, err
	}
	return p.socket(e, packs, facts), nil
}

// ask asks for the upgrade.
func (p *prepared) ask(e *endpoint) (packs bool, facts []socket.Fact, err error) {
	path := p.path
	if path == "" {
		path = "/"
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return false, nil, err
	}
	u.Host = hostHeader(p.host, strings.Contains(e.lower.Kind().Layers, "tls"))
	var refused error
	d := ws.Dialer{Protocols: p.subprotocols, Header: ws.HandshakeHeaderFunc(p.writeHeaders)}
	if p.deflate {
		d.Extensions = []httphead.Option{noTakeover.Option()}
	}
	d.OnStatusError = func(_ int, _ []byte, head io.Reader) { refused = p.refused(e, head) }
	a := &answer{e: e}
	_, hs, err := d.Upgrade(a, u)
	if errors.Is(err, ws.ErrHandshakeBadProtocol) { // HTTP/1.0, by which servers refuse too
		refused = p.refused(e, bytes.NewReader(a.all))
	}
	switch {
	case refused != nil:
		return false, nil, refused
	case a.err != nil:
		return false, nil, a.err
	case err != nil:
		return false, nil, fmt.Errorf("the answer is not that of a WebSocket server: %v", withoutPrefix(err))
	case len(p.subprotocols) > 0 && hs.Protocol == "":
		return false, nil, fmt.Errorf("the server accepted none of subprotocol=%s", strings.Join(p.subprotocols, ", "))
	}
	for _, x := range hs.Extensions {
		if packs = string(x.Name) == wsflate.ExtensionName; !packs || !acceptAnswer(x) {
			return false, nil, errors.New("the server chose a compression that was not offered")
		}
	}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, socket.Fact{Layer: p.layer.Name, Name: name, Value: value})
		}
	}
	add("subprotocol", hs.Protocol)
	if packs {
		add("deflate", "on")
	}
	return packs, facts, nil
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "handshake error: ") }

func (p *prepared) writeHeaders(w io.Writer) (n int64, err error) {
	for _, h := range p.headers {
		k, err := io.WriteString(w, h+"\r\n")
		if n += int64(k); err != nil {
			return n, err
		}
	}
	return n, nil
}

// hostHeader is a host and port as the header Host has them.
func hostHeader(host string, tls bool) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil || port != "80" && !tls || port != "443" && tls {
		return host
	}
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// How long to wait for the text of a refusal, and how much of it to read.
const (
	bodyTime = time.Second
	bodyRead = 4 << 10
)

// refused is the error of another answer than that of WebSocket.
func (p *prepared) refused(e *endpoint, head io.Reader) error {
	e.lower.SetReadDeadline(time.Now().Add(bodyTime))
	r, err := http.ReadResponse(bufio.NewReader(io.MultiReader(head, &e.reader.in)), nil)
	if err != nil {
		return fmt.Errorf("this is not a web server: %v", err)
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, bodyRead))
	said := strconv.Quote(r.Status)
	if text := prefix.Plain(string(body)); text != "" {
		said += ": " + strconv.Quote(text)
	}
	where := r.Header.Get("Location")
	switch {
	case r.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the server refused: it answered %s: give user= and password-file=, or the header= that it asks for", said)
	case where != "":
		return fmt.Errorf("the server redirects: it answered %s, to %q", said, where)
	case r.StatusCode == http.StatusOK:
		return fmt.Errorf("the server treated it as a plain request: it answered %s: check the path", said)
	}
	return fmt.Errorf("the server refused: it answered %s", said)
}
