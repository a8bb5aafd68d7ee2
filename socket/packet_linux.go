package socket

func init() { Register(packetFamily()) }

func packetFamily() *Family {
	return &Family{
		Name:       "packet",
		Domains:    map[Domain]string{Packet: "AF_PACKET"},
		New:        openKernel,
		FormatName: formatLink,
		KindName: func(k Kind) string {
			return map[Type]string{Raw: "packet", Datagram: "packet-dgram"}[k.Type]
		},
		Properties: func(Kind) Properties { return Properties{Bounded: true} },
		Kinds:      map[string]Kind{"packet": {Domain: Packet, Type: Raw}, "packet-dgram": {Domain: Packet, Type: Datagram}},
	}
}
