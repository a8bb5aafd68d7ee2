package socks

import (
	"fmt"

	"zocalo/codec"
	"zocalo/layer/internal/proxy"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// A version is what one of the layers speaks.
type version struct {
	*scheme.Layer
	v4, v5 bool // accepted from clients
	number byte // spoken to proxies
	names  bool // the proxy can look them up

	options *proxy.ClientOptions
	local   *option.Option[bool] // look names up here
}

var resolver = codec.Codec[bool]{Placeholder: "proxy|local", Parse: parseResolve, Format: func(local bool) string {
	if local {
		return "local"
	}
	return "proxy"
}}

func parseResolve(text string) (bool, error) {
	switch text {
	case "local", "proxy":
		return text == "local", nil
	}
	return false, fmt.Errorf("%q is neither proxy nor local", text)
}

func init() {
	for _, v := range []*version{
		{number: 5, names: true, v4: true, v5: true, Layer: &scheme.Layer{
			LayerKind: socket.LayerKind{Name: "socks"}, Doc: "SOCKS, through a proxy of version 5 or as one of all versions"}},
		{number: 5, names: true, v5: true, Layer: &scheme.Layer{
			LayerKind: socket.LayerKind{Name: "socks5"}, Aliases: []string{"socks5h"}, Doc: "SOCKS 5, through a proxy or as one"}},
		{number: 4, v4: true, Layer: &scheme.Layer{
			LayerKind: socket.LayerKind{Name: "socks4"}, Doc: "SOCKS 4, through a proxy or as one"}},
		{number: 4, names: true, v4: true, Layer: &scheme.Layer{
			LayerKind: socket.LayerKind{Name: "socks4a"}, Doc: "SOCKS 4a, through a proxy or as one"}},
	} {
		v.Short, v.Prefix, v.Requests, v.Prepare = "tcp", true, true, v.prepare
		v.Needs = v.needs
		v.options = proxy.NewClientOptions()
		v.Options = v.options.Specs()
		if v.names {
			v.local = option.New(option.Spec{
				Name: "resolve", Phase: option.Naming, Only: option.ActiveOnly, Default: "proxy",
				Doc: "who looks up the host of to=: the proxy or this machine (local)",
			}, resolver, nil, nil)
			v.Options = append(v.Options, v.local.Spec)
		}
		v.Options = append(v.Options, proxy.ListenerOptions()...)
		scheme.RegisterLayer(v.Layer)
	}
}

// needs is a stream or, for version 5, UDP.
func (v *version) needs(p socket.Properties) string {
	if datagrams := p.Bounded && !p.Connected && !p.Reliable; datagrams && v.number == 5 {
		return ""
	}
	return proxy.Needs(p)
}

func (v *version) prepare(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	datagrams := t.Carrier.Type == socket.Datagram
	switch {
	case datagrams && (t.Passive || t.Carrier.Name != "udp"):
		return nil, fmt.Errorf("over datagrams it can only connect, as socks5+udp: a proxy, with UDP too, is socks-listen:PORT")
	case t.Passive:
		return proxy.Listen(v.Layer, t, v.protocols()...)
	}
	c, err := v.options.Client(t.Settings)
	if err != nil {
		return nil, err
	}
	onward := &client{Client: c, version: v, local: !v.names}
	if v.names {
		onward.local, _ = v.local.In(t.Settings)
	}
	if err := onward.check(); err != nil {
		return nil, err
	}
	p := &scheme.PreparedLayer{Destination: c.To.String(), Client: onward.connect}
	if datagrams {
		p.Client = onward.associate
	}
	return p, nil
}

func (v *version) protocols() (all []proxy.Protocol) {
	if v.v5 {
		all = append(all, V5)
	}
	if v.v4 {
		all = append(all, V4)
	}
	return all
}
