package socket

import (
	"context"
	"strconv"
	"strings"
)

func init() { Register(vsockFamily()) }

func vsockFamily() *Family {
	scheme := func(name, doc string, t Type) *Scheme {
		return &Scheme{
			Name: name, Endpoint: "cid:port", Port: true, Doc: doc, Domains: []Domain{VSock}, Type: t, Options: vsockOptions(),
			Resolve: resolveVSock,
			Source: func(ctx context.Context, _ Target, text string) ([]Name, error) {
				return resolveVSock(ctx, Target{Endpoint: text, Passive: true})
			},
		}
	}
	return &Family{
		Name:    "vsock",
		Domains: []DomainConstant{{VSock, "AF_VSOCK"}},
		New:     openKernel,
		FormatName: func(n Name) string {
			cid, port := n.CIDPort()
			return formatVSock(cid) + ":" + formatVSock(port)
		},
		KindName: func(k Kind) string {
			switch k.Type {
			case Stream:
				return "vsock"
			case SeqPacket:
				return "vsock-seqpacket"
			}
			return ""
		},
		Properties: func(k Kind) Properties {
			return Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true, Bounded: k.Type.Bounded()}
		},
		Schemes: []*Scheme{
			scheme("vsock", "a stream between a machine and the virtual machines on it (Linux)", Stream),
			scheme("vsock-seqpacket", "messages between a machine and the virtual machines on it (Linux 5.14)", SeqPacket),
		},
	}
}

// resolveVSock reads cid:port, where either may be "any" for a listener and
// the cid may be "local" or "host". A port alone is on this machine.
func resolveVSock(_ context.Context, t Target) ([]Name, error) {
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
	return []Name{VSockName(cid, port)}, nil
}

func parseVSock(text, what string, passive bool) (uint32, error) {
	switch {
	case text == "any" && passive:
		return VSockAny, nil
	case text == "local" && what != "port":
		return VSockLocal, nil
	case text == "host" && what != "port":
		return VSockHost, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, EndpointErrorf("vsock %s %q is not a number of 32 bits: write cid:port, as 1:5346", what, text)
	}
	return uint32(n), nil
}

func formatVSock(n uint32) string {
	if n == VSockAny {
		return "any"
	}
	return strconv.FormatUint(uint64(n), 10)
}
