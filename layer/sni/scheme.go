package sni

import (
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
)

// scheme is the layer.
var scheme = &socket.LayerScheme{
	Name: "sni", Short: "tcp", NoDial: true,
	Doc:     "TLS routing by the requested name, without ending TLS",
	Options: proxy.RuleOptions(),
	Prefix:  true, Requests: true, Names: true,
	Needs: func(p socket.Properties) string {
		if !p.Connected || !p.Reliable || p.Bounded {
			return "it needs a stream, such as tcp or unix"
		}
		return ""
	},
}

func init() {
	scheme.Prepare = func(t socket.LayerTarget) (*socket.PreparedLayer, error) {
		l := listener{proxy.Listener{Layer: scheme, Rules: proxy.RulesOf(t.Settings)}}
		return &socket.PreparedLayer{Server: l.begin}, nil
	}
	socket.RegisterLayer(scheme)
}

// facts returns what a hello tells.
func (h hello) facts() []socket.Fact {
	var facts []socket.Fact
	if h.name != "" {
		facts = append(facts, socket.Fact{Layer: scheme.Name, Name: "sni", Variable: "SSL_TLS_SNI", Value: h.name})
	}
	for _, p := range h.protocols {
		facts = append(facts, socket.Fact{Layer: scheme.Name, Name: "alpn", Value: p})
	}
	return facts
}
