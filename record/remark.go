package record

import (
	"context"
	"encoding/binary"
	"fmt"

	"zocalo/internal/pcapng"
	"zocalo/relay/outcome"
)

// Remark records a line of text about the pair, at its place among the packets: of what was done to
// what a side sent. It is a packet of its own, of an interface of that name, and reads as a line of syslog.
func (p *Pair) Remark(at string, from outcome.Side, text string) {
	if p.sink == nil {
		return
	}
	p.sink.mu.Lock()
	defer p.sink.mu.Unlock()
	if !p.records() {
		return
	}
	k := pcapng.Packet{Data: p.exported(from, text), Comments: []string{text}}
	p.sink.packet(context.Background(), p.sink.interfaceOf(pcapng.Interface{LinkType: pcapng.LinkExportedPDU, Name: at}), &k)
}

// The tags of Wireshark's exported PDUs (wireshark/wsutil/exported_pdu_tlvs.h).
const (
	tagDissector = 12
	tagIPv4From  = 20
	tagIPv4To    = 21
	tagIPv6From  = 22
	tagIPv6To    = 23
	tagPortType  = 24
	tagPortFrom  = 25
	tagPortTo    = 26

	portTCP = 2
	portUDP = 3

	severityInfo = 134 // local0, informational
)

// exported is a line of syslog between the addresses of a pair, as an exported PDU.
func (p *Pair) exported(from outcome.Side, text string) []byte {
	var b []byte
	tag := func(code uint16, value []byte) {
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, code), uint16(len(value)))
		b = append(b, value...)
	}
	w := p.ways[from]
	addresses, size, tags := w.header[12:], 4, [2]uint16{tagIPv4From, tagIPv4To}
	if w.ip == headerIPv6 {
		addresses, size, tags = w.header[8:], 16, [2]uint16{tagIPv6From, tagIPv6To}
	}
	kind := byte(portTCP)
	if p.datagram {
		kind = portUDP
	}
	tag(tagDissector, []byte("syslog\x00\x00"))
	tag(tags[0], addresses[:size])
	tag(tags[1], addresses[size:2*size])
	tag(tagPortType, []byte{0, 0, 0, kind})
	tag(tagPortFrom, append([]byte{0, 0}, w.header[w.ip:w.ip+2]...))
	tag(tagPortTo, append([]byte{0, 0}, w.header[w.ip+2:w.ip+4]...))
	tag(0, nil)
	return fmt.Appendf(b, "<%d>%s", severityInfo, text)
}
