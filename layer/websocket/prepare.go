package websocket

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"zocalo/frame"
	"zocalo/layer/internal/file"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// A prepared is the layer of one address.
type prepared struct {
	layer        *scheme.Layer
	passive      bool
	path         string
	kind         messageKind
	origins      []string
	subprotocols []string
	headers      []string
	host         string // that a client reaches for, with its port
	ping         time.Duration
	closeTimeout time.Duration
	maxMessage   int
	deflate      bool
}

func prepare(layer *scheme.Layer, t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	p := &prepared{
		layer: layer, passive: t.Passive, kind: binaryKind, closeTimeout: defaultCloseTimeout, maxMessage: defaultMaxMessage,
		origins: all(originOption, t.Settings), subprotocols: all(subprotocolOption, t.Settings), headers: all(headerOption, t.Settings),
	}
	p.path, _ = pathOption.In(t.Settings)
	if layer == messageLayer {
		p.kind, _ = typeOption.In(t.Settings)
	}
	if t.Passive {
		p.ping = defaultPing
	}
	if d, ok := pingOption.In(t.Settings); ok {
		p.ping = d
	}
	if d, ok := closeTimeoutOption.In(t.Settings); ok {
		p.closeTimeout = d
	}
	if n, ok := maxMessageOption.In(t.Settings); ok {
		p.maxMessage = n
	}
	p.deflate, _ = deflateOption.In(t.Settings)
	if t.Passive {
		l := &scheme.PreparedLayer{Server: p.accept}
		if p.path, _, _ = strings.Cut(p.path, "?"); p.path != "" {
			l.Reach = pathOption.Name + "=" + p.path
		}
		return l, nil
	}
	if len(p.origins) > 1 || len(p.origins) == 1 && p.origins[0] == "*" {
		return nil, errors.New("a client takes a single origin=, and it cannot be *")
	}
	if len(p.origins) == 1 {
		p.headers = append(p.headers, "Origin: "+p.origins[0])
	}
	if err := p.authenticate(t.Settings); err != nil {
		return nil, err
	}
	p.host = hostOf(t)
	return &scheme.PreparedLayer{Client: p.connect}, nil
}

// authenticate reads the password.
func (p *prepared) authenticate(settings option.Settings) error {
	user, named := userOption.In(settings)
	path, ok := passwordFileOption.In(settings)
	switch {
	case !ok && !named:
		return nil
	case !ok:
		return errors.New("user= without password-file=: add the file with its password")
	case user == "":
		return errors.New("password-file= without user=: add the user that the password belongs to")
	case strings.Contains(user, ":"):
		return errors.New("user= contains a colon, which HTTP does not allow")
	}
	text, err := file.Read(passwordFileOption.Name, path)
	if err != nil {
		return err
	}
	file.CheckSecret(passwordFileOption.Name, path)
	password, _, _ := strings.Cut(string(text), "\n")
	if password = strings.TrimSuffix(password, "\r"); password == "" {
		return fmt.Errorf("password-file=%s: its first line is empty", path)
	}
	p.headers = append(p.headers, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	return nil
}

// hostOf is the host and port that a client reaches for; a carrier without hosts, as
// unix, is on this one.
func hostOf(t scheme.LayerTarget) string {
	host, port, err := net.SplitHostPort(t.Destination)
	switch {
	case err != nil:
		return "localhost"
	case host == "":
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// socket returns the socket of a connection whose handshake is done, with the input that
// it has read from.
func (p *prepared) socket(e *endpoint, packs bool, facts []socket.Fact) *socket.Socket {
	e.facts, e.packs, e.reader.packs = facts, packs, packs
	e.reader.in.heard.Store(now())
	e.startPinging()
	var end socket.Endpoint
	switch waits := e.reader.in.waits; {
	case p.layer == messageLayer && waits:
		end = waitingMessages{messages{e}}
	case p.layer == messageLayer:
		end = messages{e}
	case waits:
		end = waitingStream{stream{e}}
	default:
		end = stream{e}
	}
	return p.layer.Wrap(end, e.lower)
}

// endpoint returns what a connection becomes.
func (p *prepared) endpoint(lower *socket.Socket) *endpoint {
	e := &endpoint{layer: p.layer, lower: lower, peer: lower.Peer(), kind: p.kind, closeTimeout: p.closeTimeout}
	e.reader.in.init(lower)
	e.reader.client, e.reader.bytes, e.reader.most = p.passive, p.layer == streamLayer, int64(p.maxMessage)
	e.out.lower, e.out.bounded, e.out.masks = lower, e.reader.in.bounded, !p.passive
	e.pinging.every = p.ping
	return e
}

// isText reports whether a message is to be sent as a text.
func (e *endpoint) isText(buffers [][]byte) (bool, error) {
	if e.kind == binaryKind || e.kind == sameKind && !e.sentText.Load() {
		return false, nil
	}
	var c textCheck
	is := true
	for _, b := range buffers {
		is = is && c.piece(b)
	}
	if is = is && c.end(); !is && e.kind == textKind {
		return false, errNotSent
	}
	return is, nil
}

// errNotSent refuses a message.
var errNotSent error = notText{}

type notText struct{}

func (notText) Error() string {
	return "ws: the message is not UTF-8, which type=text requires: use type=binary"
}
func (notText) Is(target error) bool { return target == frame.ErrRefused }

// Facts implements [socket.Teller].
func (e *endpoint) Facts() []socket.Fact {
	e.limits.Lock()
	defer e.limits.Unlock()
	if !e.peerClosed.Load() {
		return e.facts
	}
	return append(e.facts[:len(e.facts):len(e.facts)], socket.Fact{Layer: e.layer.Name, Name: "close", Value: e.peerClosure.String()})
}
