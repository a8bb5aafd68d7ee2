package socket

import (
	"strconv"
)

func init() { Register(vsockFamily()) }

func vsockFamily() *Family {
	return &Family{
		Name:    "vsock",
		Domains: map[Domain]string{VSock: "AF_VSOCK"},
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
		Kinds: map[string]Kind{"vsock": {Domain: VSock, Type: Stream}, "vsock-seqpacket": {Domain: VSock, Type: SeqPacket}},
	}
}

func formatVSock(n uint32) string {
	if n == VSockAny {
		return "any"
	}
	return strconv.FormatUint(uint64(n), 10)
}
