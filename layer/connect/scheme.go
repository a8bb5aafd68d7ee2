// Package connect is the layer connect of the address language: on, through an HTTP
// proxy, to somewhere else, by its method CONNECT (RFC 9110, section 9.3.6), as in
// connect+tcp:proxy:3128,to=db:5432 (for which connect: is short), and such a
// proxy itself, as in connect-listen:3128. A program has it by importing the
// package:
//
//	import _ "zocalo/layer/connect"
//
// docs/layers.md lists its options. It steps aside once the proxy has answered.
package connect

import (
	"errors"
	"fmt"
	"strings"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

var options = proxy.NewClientOptions()

// header is a line of HTTP to send along.
var header = socket.NewOption(socket.Spec{
	Name: "header", Phase: socket.Naming, Only: socket.ActiveOnly, Repeatable: true, Default: "Host, and who asks by user=",
	Doc: "a header to send to the proxy, as Name: value",
}, socket.Codec[string]{Placeholder: "HEADER", Parse: parseHeader, Format: socket.Text.Format}, nil, nil)

func parseHeader(text string) (string, error) {
	name, value, ok := strings.Cut(text, ":")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsAny(value, "\r\n\x00") {
		return "", fmt.Errorf("%q is no header, as X-Reason: test", text)
	}
	return name + ": " + strings.TrimSpace(value), nil
}

var scheme = &socket.LayerScheme{
	Name: "connect", Aliases: []string{"http-connect"}, Doc: "through an HTTP proxy, by CONNECT, or as one",
	Short: "tcp", Prefix: true, Requests: true, Needs: proxy.Needs,
}

func init() {
	scheme.Prepare = prepare
	scheme.Options = append(append(options.Specs(), header.Spec), proxy.ListenerOptions()...)
	socket.RegisterLayer(scheme)
}

func prepare(t socket.LayerTarget) (*socket.PreparedLayer, error) {
	if t.Passive {
		return proxy.Listen(scheme, t, Protocol)
	}
	c, err := options.Client(t.Settings)
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(c.User, ":"):
		return nil, errors.New("user= has a colon, which HTTP takes for the end of it")
	}
	onward := &client{Client: c}
	for _, s := range t.Settings {
		if s.Spec == header.Spec {
			onward.headers = append(onward.headers, s.Value.(string))
		}
	}
	return &socket.PreparedLayer{Destination: c.To.String(), Client: onward.connect}, nil
}
