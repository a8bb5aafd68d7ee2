// Package proxy is the layer proxy of the address language: a proxy for all versions of
// SOCKS and for HTTP CONNECT at one port, as in proxy-listen:1080. Importing the package
// adds it to a program:
//
//	import _ "zocalo/layer/proxy"
//
// docs/layers.md lists its options.
package proxy

import (
	"zocalo/layer/connect"
	"zocalo/layer/internal/proxy"
	"zocalo/layer/socks"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

var layer = &scheme.Layer{
	LayerKind: socket.LayerKind{Name: "proxy", Prefix: true},
	Doc:       "a proxy for SOCKS and HTTP CONNECT",
	Short:     "tcp", Requests: true, NoDial: true, Needs: proxy.Needs, Options: proxy.ListenerOptions(),
}

func init() {
	layer.Prepare = func(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
		return proxy.Listen(layer, t, socks.V5, socks.V4, connect.Protocol)
	}
	scheme.RegisterLayer(layer)
}
