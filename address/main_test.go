package address_test

import (
	"context"
	"os"
	"testing"

	"zocalo/codec"
	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
	"zocalo/socket/scheme"
)

// The toy family's domain, which no real one uses.
const toyDomain socket.Domain = 0x1f0

var (
	toyLevel = option.New(option.Spec{
		Name: "level", Aliases: []string{"toy-level"}, Constant: "TOY_LEVEL", Default: "3", Doc: "how much of a toy it is", Phase: option.Opened,
	}, codec.AtLeast(codec.Integer, 1), nil, nil)
	toyQuiet = option.New(option.Spec{
		Name: "quiet", Default: "off", Doc: "without noise", Phase: option.Connected,
	}, codec.Flag, nil, nil)
	toyLabel = option.New(option.Spec{
		Name: "label", Default: "none", Doc: "what is written on it", Phase: option.Naming,
	}, codec.Text, nil, nil)
	toySize = option.New(option.Spec{
		Name: "sndtoy", Default: "the system's", Doc: "how large it is", Phase: option.Opened,
	}, codec.Size, nil, nil)
	toyWait = option.New(option.Spec{
		Name: "wait", Default: "0", Doc: "how long to play", Phase: option.Naming, Only: option.ActiveOnly,
	}, codec.Duration, nil, nil)
	toyMode = option.New(option.Spec{
		Name: "toymode", Default: "0", Doc: "who may play", Phase: option.Naming, Only: option.PassiveOnly,
	}, codec.Integer, nil, nil)
)

func resolve(context.Context, scheme.Target) ([]socket.Name, error)        { return nil, nil }
func source(context.Context, scheme.Target, string) ([]socket.Name, error) { return nil, nil }
func open(context.Context, scheme.Target) (*socket.Socket, error)          { return nil, os.ErrInvalid }

func TestMain(m *testing.M) {
	socket.Register(&socket.Family{
		Name:    "toy",
		Domains: map[socket.Domain]string{toyDomain: "AF_TOY"},
		KindName: func(k socket.Kind) string {
			return "toy-" + k.Type.String()
		},
		Properties: func(k socket.Kind) socket.Properties {
			return socket.Properties{Reliable: true, Ordered: true, Bounded: k.Type.Bounded(), Urgent: 1}
		},
	})
	scheme.Register([]*scheme.Scheme{
		{Name: "toy", Aliases: []string{"plaything"}, Endpoint: "host:port", Port: true, Doc: "a stream of toys", Domains: []socket.Domain{toyDomain}, Type: socket.Stream,
			Options: []*option.Spec{toyLevel.Spec, toyQuiet.Spec, toyLabel.Spec, toySize.Spec, toyWait.Spec, toyMode.Spec},
			Resolve: resolve, Source: source},
		{Name: "toy-msg", Endpoint: "path, or @name", Doc: "toys one by one", Domains: []socket.Domain{toyDomain, socket.VSock}, Type: socket.Datagram,
			Options: []*option.Spec{toyLabel.Spec}, Resolve: resolve, Source: source},
		{Name: "toynet", Endpoint: "net#host#socket", Doc: "toys far away", Type: socket.SeqPacket, Resolve: resolve},
		{Name: "toybox", Doc: "the box itself", NoListen: true, Options: []*option.Spec{toyLabel.Spec, toyMode.Spec}, Open: open},
		{Name: "toyshop", Endpoint: "street", Doc: "only waits for children", Type: socket.Stream, NoDial: true,
			Options: []*option.Spec{toyWait.Spec}, Resolve: resolve, Source: source},
	}...)
	testenv.Main(m)
}
