package proxyproto

import (
	"fmt"
	"net/netip"
	"strings"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// The values of pp=.
const (
	version1 = "1" // for a client: the text header,
	version2 = "2" // or the binary one
	require  = "require"
	accept   = "accept"
)

var (
	ppOption = option.New(option.Spec{
		Name: "pp", Phase: option.Naming, Default: "2 for a client, require for a listener",
		Doc: "the header that a client sends, 1 (text) or 2 (binary); for a listener, whether clients must send one (require) or may (accept)",
	}, codec.Codec[string]{Placeholder: "1|2|require|accept", Parse: parseMode, Format: func(s string) string { return s }}, nil, nil)
	fromOption = option.New(option.Spec{
		Name: "pp-from", Phase: option.Naming, Only: option.PassiveOnly, Repeatable: true, Default: "this machine: loopback and unix sockets",
		Doc: "an address or network of proxies whose headers are trusted; others are refused, or served under their own name with pp=accept",
	}, codec.Codec[netip.Prefix]{Placeholder: "CIDR", Parse: codec.ParseNetwork, Format: codec.FormatNetwork}, nil, nil)
)

func parseMode(text string) (string, error) {
	switch mode := strings.TrimPrefix(strings.ToLower(text), "v"); mode {
	case version1, version2, require, accept:
		return mode, nil
	}
	return "", fmt.Errorf("%q must be 1 or 2 for a client, or require or accept for a listener", text)
}

// scheme is the layer.
var layer = &scheme.Layer{
	LayerKind: socket.LayerKind{Name: "pp", Prefix: true, Renames: true},
	Aliases:   []string{"proxy-protocol", "send-proxy", "accept-proxy"}, Short: "tcp",
	Doc:     "the PROXY protocol, by which a proxy tells who has connected to it",
	Options: []*option.Spec{ppOption.Spec, fromOption.Spec},
	Needs: func(p socket.Properties) string {
		switch {
		case !p.Connected:
			return "the header is the beginning of a connection, and datagrams have no connection"
		case !p.Reliable || p.Bounded:
			return "it needs a stream, such as tcp or unix"
		}
		return ""
	},
}

func init() {
	layer.Prepare = prepare
	scheme.RegisterLayer(layer)
}

// prepare reads the options of one address.
func prepare(t scheme.LayerTarget) (*scheme.PreparedLayer, error) {
	mode, given := ppOption.In(t.Settings)
	sends := mode == version1 || mode == version2
	switch {
	case given && sends == t.Passive:
		if t.Passive {
			return nil, fmt.Errorf("pp=%s is for a client: a listener reads either version, and takes pp=require or pp=accept", mode)
		}
		return nil, fmt.Errorf("pp=%s is for a listener: a client takes pp=1 or pp=2", mode)
	case t.Passive:
		s := &server{optional: mode == accept}
		for _, setting := range t.Settings {
			if p, ok := setting.Value.(netip.Prefix); ok {
				s.from = append(s.from, p)
			}
		}
		return &scheme.PreparedLayer{Server: s.begin}, nil
	}
	return &scheme.PreparedLayer{Client: client(mode).begin}, nil
}
