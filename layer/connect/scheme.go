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
	"strings"

	"zocalo/codec"
	"zocalo/layer/internal/prefix"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

var options = proxy.NewClientOptions()

// header is a further header line of the request.
var header = option.New(option.Spec{
	Name: "header", Aliases: []string{"headers"}, Phase: option.Naming, Only: option.ActiveOnly, Repeatable: true, Secret: true, Default: "Host, and Proxy-Authorization with user=",
	Doc: "a header to send to the proxy, as Name: value",
}, codec.Codec[string]{Placeholder: "HEADER", Parse: prefix.ParseHeader, Format: codec.Text.Format}, nil, nil)

var layer = &scheme.Layer{
	LayerKind: socket.LayerKind{Name: "connect", Prefix: true},
	Aliases:   []string{"http-connect"}, Doc: "HTTP CONNECT, through a proxy or as one",
	Short: "tcp", Requests: true, Needs: proxy.Needs,
}

func init() {
	layer.Prepare = prepare
	layer.Options = append(append(options.Specs(), header.Spec), proxy.ListenerOptions()...)
	scheme.RegisterLayer(layer)
}

func prepare(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	if t.Passive {
		return proxy.Listen(layer, t, Protocol)
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
	return &scheme.PreparedLayer{Destination: c.To.String(), Client: onward.connect}, nil
}
