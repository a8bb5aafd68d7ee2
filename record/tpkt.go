package record

import (
	"context"

	"zocalo/iso"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// A tpkt makes the packets of ISO transport over TCP (RFC 1006) anew, of which a relay sees
// the messages alone: so Wireshark finds what is above, as S7comm or MMS.
type tpkt struct {
	calling, called iso.Selector
	expedited       [2]byte // numbers of the next
	scratch         [16]byte
}

// The codes of transport PDUs (X.224, section 13), and their references here.
const (
	tpduConnect   = 0xe0
	tpduConfirm   = 0xd0
	tpduData      = 0xf0
	tpduExpedited = 0x10

	endOfTSDU = 0x80

	tpktHeader = 4
	dataHeader = tpktHeader + 3
)

func isISO(ends ...*socket.Socket) bool {
	for _, s := range ends {
		if d := s.Domain(); d == iso.Domain || d == iso.Domain6 {
			return true
		}
	}
	return false
}

// newTPKT takes the selectors of who came, or of what was reached where that alone has any.
func newTPKT(client, server *socket.Socket) *tpkt {
	if isISO(client) && !client.Peer().IsZero() {
		return &tpkt{calling: iso.SelectorOf(client.Peer()), called: iso.SelectorOf(client.Name())}
	}
	return &tpkt{calling: iso.SelectorOf(server.Name()), called: iso.SelectorOf(server.Peer())}
}

// begin records the request for a connection, and its confirmation. The caller holds the
// sink's mu.
func (t *tpkt) begin(ctx context.Context, p *Pair) {
	parameters := []byte{0xc0, 1, 0x0d} // size of PDUs: 8192, the longest there is
	parameters = append(append(parameters, 0xc1, byte(len(t.calling))), t.calling...)
	parameters = append(append(parameters, 0xc2, byte(len(t.called))), t.called...)
	for i, code := range []byte{tpduConnect, tpduConfirm} {
		from := p.info.Client
		head := []byte{code, 0, 0, 0, 1, 0} // to reference 0 from reference 1, class 0
		if i == 1 {
			from = from.Other()
			head = []byte{code, 0, 1, 0, 2, 0}
		}
		pdu := append([]byte{byte(len(head) + len(parameters))}, append(head, parameters...)...)
		pdu = append([]byte{3, 0, 0, byte(tpktHeader + len(pdu))}, pdu...)
		p.segment(ctx, from, flagPSH, 0, nil, pdu, add(0, pdu))
	}
}

// tpktOf records a message, as PDUs of which each is a segment.
func (p *Pair) tpktOf(ctx context.Context, from outcome.Side, what join.What, data []byte) {
	for {
		part := data[:min(len(data), maxSegment)]
		data = data[len(part):]
		sum := add(0, part)
		p.sink.mu.Lock()
		p.sink.await(ctx, len(part))
		h := p.tpkt.scratch[:0]
		length := dataHeader + len(part)
		if what == join.Urgent {
			length += 2
			h = append(h, 3, 0, byte(length>>8), byte(length), 4, tpduExpedited, 0, byte(2-p.side(from)), p.tpkt.expedited[from]|endOfTSDU)
			p.tpkt.expedited[from] = (p.tpkt.expedited[from] + 1) & 0x7f
		} else {
			h = append(h, 3, 0, byte(length>>8), byte(length), 2, tpduData, 0)
			if len(data) == 0 {
				h[6] = endOfTSDU
			}
		}
		flags := byte(0)
		if len(data) == 0 {
			flags = flagPSH // at the end of a message
		}
		p.segment(ctx, from, flags, 0, h, part, sum)
		p.sink.mu.Unlock()
		if len(data) == 0 {
			return
		}
	}
}

// side is 1 for the client and 0 for the server.
func (p *Pair) side(from outcome.Side) int {
	if from == p.info.Client {
		return 1
	}
	return 0
}
