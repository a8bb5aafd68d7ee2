package scheme

import (
	"context"
	"strconv"
	"strings"

	"zocalo/socket"
)

func init() { Register(vsockSchemes()...) }

func vsockSchemes() []*Scheme {
	scheme := func(name, doc string, t socket.Type) *Scheme {
		return &Scheme{
			Name: name, Endpoint: "cid:port", Port: true, Doc: doc, Domains: []socket.Domain{socket.VSock}, Type: t, Options: vsockOptions(),
			Resolve: resolveVSock,
			Source: func(ctx context.Context, _ Target, text string) ([]socket.Name, error) {
				return resolveVSock(ctx, Target{Endpoint: text, Passive: true})
			},
		}
	}
	return []*Scheme{
		scheme("vsock", "a stream between a machine and the virtual machines on it (Linux)", socket.Stream),
		scheme("vsock-seqpacket", "messages between a machine and the virtual machines on it (Linux 5.14)", socket.SeqPacket),
	}
}

// resolveVSock reads cid:port, where either may be "any" for a listener and
// the cid may be "local" or "host". A port alone is on this machine.
func resolveVSock(_ context.Context, t Target) ([]socket.Name, error) {
	cidText, portText, found := strings.Cut(t.Endpoint, ":")
	if !found {
		cidText, portText = "local", t.Endpoint
	}
	cid, err := parseVSock(cidText, "context identifier", t.Passive)
	if err != nil {
		return nil, err
	}
	port, err := parseVSock(portText, "port", t.Passive)
	if err != nil {
		return nil, err
	}
	return []socket.Name{socket.VSockName(cid, port)}, nil
}

func parseVSock(text, what string, passive bool) (uint32, error) {
	switch {
	case text == "any" && passive:
		return socket.VSockAny, nil
	case text == "local" && what != "port":
		return socket.VSockLocal, nil
	case text == "host" && what != "port":
		return socket.VSockHost, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, EndpointErrorf("vsock %s %q is not a 32-bit number: write cid:port, such as 1:5346", what, text)
	}
	return uint32(n), nil
}
