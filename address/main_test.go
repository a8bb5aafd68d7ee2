package address_test

import (
	"context"
	"os"
	"testing"

	"zocalo/internal/testenv"
	"zocalo/socket"
)

// The toy family's domain, which no real one uses.
const toyDomain socket.Domain = 0x1f0

var (
	toyLevel = socket.NewOption(socket.Spec{
		Name: "level", Aliases: []string{"toy-level"}, Constant: "TOY_LEVEL", Default: "3", Doc: "how much of a toy it is", Phase: socket.Opened,
	}, socket.AtLeast(socket.Integer, 1), nil, nil)
	toyQuiet = socket.NewOption(socket.Spec{
		Name: "quiet", Default: "off", Doc: "without noise", Phase: socket.Connected,
	}, socket.Flag, nil, nil)
	toyLabel = socket.NewOption(socket.Spec{
		Name: "label", Default: "none", Doc: "what is written on it", Phase: socket.Naming,
	}, socket.Text, nil, nil)
	toySize = socket.NewOption(socket.Spec{
		Name: "sndtoy", Default: "the system's", Doc: "how large it is", Phase: socket.Opened,
	}, socket.Size, nil, nil)
	toyWait = socket.NewOption(socket.Spec{
		Name: "wait", Default: "0", Doc: "how long to play", Phase: socket.Naming, Only: socket.ActiveOnly,
	}, socket.Duration, nil, nil)
	toyMode = socket.NewOption(socket.Spec{
		Name: "toymode", Default: "0", Doc: "who may play", Phase: socket.Naming, Only: socket.PassiveOnly,
	}, socket.Integer, nil, nil)
)

func resolve(context.Context, socket.Target) ([]socket.Name, error)        { return nil, nil }
func source(context.Context, socket.Target, string) ([]socket.Name, error) { return nil, nil }
func open(context.Context, socket.Target) (*socket.Socket, error)          { return nil, os.ErrInvalid }

func TestMain(m *testing.M) {
	socket.Register(&socket.Family{
		Name:    "toy",
		Domains: []socket.DomainConstant{{Domain: toyDomain, Constant: "AF_TOY"}},
		KindName: func(k socket.Kind) string {
			return "toy-" + k.Type.String()
		},
		Properties: func(k socket.Kind) socket.Properties {
			return socket.Properties{Reliable: true, Ordered: true, Bounded: k.Type.Bounded(), Urgent: 1}
		},
		Schemes: []*socket.Scheme{
			{Name: "toy", Aliases: []string{"plaything"}, Endpoint: "host:port", Port: true, Doc: "a stream of toys", Domains: []socket.Domain{toyDomain}, Type: socket.Stream,
				Options: []*socket.Spec{toyLevel.Spec, toyQuiet.Spec, toyLabel.Spec, toySize.Spec, toyWait.Spec, toyMode.Spec},
				Resolve: resolve, Source: source},
			{Name: "toy-msg", Endpoint: "path, or @name", Doc: "toys one by one", Domains: []socket.Domain{toyDomain, socket.VSock}, Type: socket.Datagram,
				Options: []*socket.Spec{toyLabel.Spec}, Resolve: resolve, Source: source},
			{Name: "toynet", Endpoint: "net#host#socket", Doc: "toys far away", Type: socket.SeqPacket, Resolve: resolve},
			{Name: "toybox", Doc: "the box itself", NoListen: true, Options: []*socket.Spec{toyLabel.Spec, toyMode.Spec}, Open: open},
			{Name: "toyshop", Endpoint: "street", Doc: "only waits for children", Type: socket.Stream, NoDial: true,
				Options: []*socket.Spec{toyWait.Spec}, Resolve: resolve, Source: source},
		},
	})
	testenv.Main(m)
}
