package sni

import (
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// scheme is the layer.
var layer = &scheme.Layer{
	LayerKind: socket.LayerKind{Name: "sni", Prefix: true},
	Short:     "tcp", NoDial: true,
	Doc:      "TLS routing by the requested name, without ending TLS",
	Options:  proxy.RuleOptions(),
	Requests: true, Names: true,
	Needs: func(p socket.Properties) string {
		if !p.Connected || !p.Reliable || p.Bounded {
			return "it needs a stream, such as tcp or unix"
		}
		return ""
	},
}

func init() {
	layer.Prepare = func(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
		l := listener{proxy.Listener{Layer: layer, Rules: proxy.RulesOf(t.Settings)}}
		return &scheme.PreparedLayer{Server: l.begin}, nil
	}
	scheme.RegisterLayer(layer)
}

// facts returns what a hello tells.
func (h hello) facts() []socket.Fact {
	var facts []socket.Fact
	if h.name != "" {
		facts = append(facts, socket.Fact{Layer: layer.Name, Name: "sni", Variable: "SSL_TLS_SNI", Value: h.name})
	}
	for _, p := range h.protocols {
		facts = append(facts, socket.Fact{Layer: layer.Name, Name: "alpn", Value: p})
	}
	return facts
}
