// Package connect is the layer connect of the address language. It connects through an
// HTTP proxy by the method CONNECT (RFC 9110, section 9.3.6), as in
// connect+tcp:proxy:3128,to=db:5432 (connect: for short), and is such a proxy itself, as
// in connect-listen:3128. Importing the package adds it to a program:
//
//	import _ "zocalo/layer/connect"
//
// docs/layers.md lists its options. The layer steps aside once the proxy has answered.
package connect

import (
	"errors"
	"fmt"
	"strings"

	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

var options = proxy.NewClientOptions()

// header is a further header line of the request.
var header = socket.NewOption(socket.Spec{
	Name: "header", Phase: socket.Naming, Only: socket.ActiveOnly, Repeatable: true, Default: "Host, and Proxy-Authorization with user=",
	Doc: "a header to send to the proxy, as Name: value",
}, socket.Codec[string]{Placeholder: "HEADER", Parse: parseHeader, Format: socket.Text.Format}, nil, nil)

func parseHeader(text string) (string, error) {
	name, value, ok := strings.Cut(text, ":")
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsAny(value, "\r\n\x00") {
		return "", fmt.Errorf("%q is not a header, such as X-Reason: test", text)
	}
	return name + ": " + strings.TrimSpace(value), nil
}

var scheme = &socket.LayerScheme{
	Name: "connect", Aliases: []string{"http-connect"}, Doc: "HTTP CONNECT, through a proxy or as one",
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
		return nil, errors.New("user= contains a colon, which HTTP does not allow in a user name")
	}
	onward := &client{Client: c}
	for _, s := range t.Settings {
		if s.Spec == header.Spec {
			onward.headers = append(onward.headers, s.Value.(string))
		}
	}
	return &socket.PreparedLayer{Destination: c.To.String(), Client: onward.connect}, nil
}
