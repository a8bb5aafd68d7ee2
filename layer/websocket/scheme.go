package websocket

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"zocalo/codec"
	"zocalo/layer/internal/prefix"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// A messageKind says how messages are sent.
type messageKind int

const (
	sameKind messageKind = iota // as the peer's last one was
	binaryKind
	textKind
)

var kinds = map[string]messageKind{"binary": binaryKind, "text": textKind}

// The options of the layers.
var (
	pathOption = option.New(option.Spec{
		Name: "path", Phase: option.Naming, Default: "/ for a client; a listener serves every path",
		Doc: "the path to request, with its query, such as /chat?room=1; the only path that a listener serves, whatever the query",
	}, codec.Codec[string]{Placeholder: "/PATH", Parse: parsePath, Format: codec.Text.Format}, nil, nil)
	typeOption = option.New(option.Spec{
		Name: "type", Phase: option.Naming, Default: "that of the last message received, binary until then",
		Doc: "the type of messages sent: binary, or text, which must be UTF-8",
	}, codec.Codec[messageKind]{Placeholder: "binary|text", Parse: parseKind, Format: formatKind}, nil, nil)
	originOption = option.New(option.Spec{
		Name: "origin", Phase: option.Naming, Repeatable: true, Default: "none for a client; a listener accepts pages of the host that they connect to",
		Doc: "the origin to send, such as https://example.org; an origin that a listener accepts, * for all",
	}, codec.Codec[string]{Placeholder: "ORIGIN", Parse: parseOrigin, Format: codec.Text.Format}, nil, nil)
	subprotocolOption = option.New(option.Spec{
		Name: "subprotocol", Phase: option.Naming, Repeatable: true, Default: "none",
		Doc: "a subprotocol to offer or accept, such as mqtt, in order of preference",
	}, codec.Codec[string]{Placeholder: "NAME", Parse: parseToken, Format: codec.Text.Format}, nil, nil)
	headerOption = option.New(option.Spec{
		Name: "header", Phase: option.Naming, Only: option.ActiveOnly, Repeatable: true, Secret: true, Default: "only those of the handshake",
		Doc: "a header to send to the server, as Name: value",
	}, codec.Codec[string]{Placeholder: "HEADER", Parse: prefix.ParseHeader, Format: codec.Text.Format}, nil, nil)
	userOption = option.New(option.Spec{
		Name: "user", Phase: option.Naming, Only: option.ActiveOnly, Default: "none",
		Doc: "the user name for HTTP basic authentication",
	}, codec.Text.Or("NAME"), nil, nil)
	passwordFileOption = option.New(option.Spec{
		Name: "password-file", Phase: option.Naming, Only: option.ActiveOnly, Default: "none",
		Doc: "a file whose first line is the password for user=",
	}, codec.Text.Or("FILE"), nil, nil)
	pingOption = option.New(option.Spec{
		Name: "ping", Phase: option.Naming, Default: "20s for a listener, off for a client",
		Doc: "ping a peer that has been silent for this long, and end the connection after the same time again without an answer; 0 is off",
	}, codec.Duration.Or("TIME"), nil, nil)
	closeTimeoutOption = option.New(option.Spec{
		Name: "close-timeout", Phase: option.Naming, Default: "30s",
		Doc: "how long this end may stay silent, once the peer has sent its Close frame, before ours is sent too, with code 1011; 0 is no limit",
	}, codec.Duration.Or("TIME"), nil, nil)
	maxMessageOption = option.New(option.Spec{
		Name: "max-message", Phase: option.Naming, Default: "1MiB",
		Doc: "the longest message to send or receive, uncompressed",
	}, codec.AtLeast(codec.Size, 1), nil, nil)
	deflateOption = option.New(option.Spec{
		Name: "deflate", Aliases: []string{"permessage-deflate"}, Phase: option.Naming, Default: "off",
		Doc: "compress messages of 128 bytes or more (permessage-deflate), if the peer agrees",
	}, codec.Flag, nil, nil)
)

const (
	defaultPing         = 20 * time.Second
	defaultCloseTimeout = 30 * time.Second
	defaultMaxMessage   = 1 << 20
)

func parsePath(text string) (string, error) {
	_, err := url.ParseRequestURI(text)
	if err != nil || !strings.HasPrefix(text, "/") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
		return "", fmt.Errorf("%q is not the path of a URL, such as /chat?room=1; write other characters as %%20", text)
	}
	return text, nil
}

func parseKind(text string) (messageKind, error) {
	k, ok := kinds[strings.ToLower(text)]
	if !ok {
		return 0, fmt.Errorf("%q is neither binary nor text", text)
	}
	return k, nil
}

func formatKind(k messageKind) string {
	for word, v := range kinds {
		if v == k {
			return word
		}
	}
	return ""
}

func parseOrigin(text string) (string, error) {
	if text == "*" || text == "null" {
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", fmt.Errorf("%q is not an origin, such as https://example.org or http://localhost:8080", text)
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), nil
}

func parseToken(text string) (string, error) {
	if !prefix.IsToken(text) {
		return "", fmt.Errorf("%q is not the name of a protocol, such as mqtt", text)
	}
	return text, nil
}

var options = []*option.Spec{
	pathOption.Spec, originOption.Spec, subprotocolOption.Spec, headerOption.Spec, userOption.Spec, passwordFileOption.Spec,
	pingOption.Spec, closeTimeoutOption.Spec, maxMessageOption.Spec, deflateOption.Spec,
}

// The layers: of messages, and of bytes.
var (
	messageLayer = &scheme.Layer{
		LayerKind: socket.LayerKind{Name: "ws", Gives: givesMessages}, Aliases: []string{"websocket"}, Short: "tcp", Stacks: map[string]string{"wss": "ws+tls"},
		Doc: "WebSocket, as messages", Needs: needs, Endpoint: endpointOf,
		Options: append([]*option.Spec{typeOption.Spec}, options...),
	}
	streamLayer = &scheme.Layer{
		LayerKind: socket.LayerKind{Name: "ws-stream"}, Short: "tcp", Stacks: map[string]string{"wss-stream": "ws-stream+tls"},
		Doc: "WebSocket, as a stream of bytes", Needs: needs, Endpoint: endpointOf, Options: options,
	}
)

func givesMessages(_ socket.Type, p socket.Properties) (socket.Type, socket.Properties) {
	p.Bounded, p.Urgent = true, 0
	return socket.SeqPacket, p
}

func init() {
	for _, l := range []*scheme.Layer{messageLayer, streamLayer} {
		l.Prepare = func(t scheme.LayerTarget) (*scheme.PreparedLayer, error) { return prepare(l, t) }
		scheme.RegisterLayer(l)
	}
}

func needs(p socket.Properties) string {
	if !p.Reliable || !p.Ordered || !p.Connected {
		return "WebSocket needs a reliable connection, such as tcp, unix or tls"
	}
	return ""
}

// endpointOf splits the path off the endpoint of a carrier with hosts and ports, and adds
// the port of http or https where there is none.
func endpointOf(beneath []*scheme.Layer, carrier *scheme.Scheme, endpoint string) (rest string, options []string, err error) {
	if !carrier.Port {
		return endpoint, nil, nil
	}
	host, path := endpoint, ""
	if i := strings.IndexAny(endpoint, "/?#"); i >= 0 {
		host, path = endpoint[:i], endpoint[i:]
	}
	switch {
	case strings.Contains(host, "@"):
		return "", nil, errors.New("a password in a URL is visible to everyone on this machine: use user=NAME,password-file=FILE")
	case strings.HasPrefix(path, "?"):
		path = "/" + path
	}
	if path != "" {
		options = []string{"path=" + path}
	}
	_, number := strconv.Atoi(host)
	_, _, err = net.SplitHostPort(host)
	if host != "" && number != nil && err != nil && !strings.HasSuffix(host, ":") && strings.Count(host, ":") == strings.Count(bracketed(host), ":") {
		port := ":80"
		if isTLS(beneath) {
			port = ":443"
		}
		host += port
	}
	return host, options, nil
}

// bracketed is the part of a host in brackets.
func bracketed(host string) string {
	if i := strings.LastIndexByte(host, ']'); i >= 0 {
		return host[:i]
	}
	return ""
}

func isTLS(beneath []*scheme.Layer) bool {
	return slices.ContainsFunc(beneath, func(l *scheme.Layer) bool { return l.Name == "tls" })
}

// all are the values that settings give to a repeatable option, in their order.
func all[T any](o *option.Option[T], settings option.Settings) (values []T) {
	for _, s := range settings {
		if s.Spec == o.Spec {
			values = append(values, s.Value.(T))
		}
	}
	return values
}
