package quic

import "zocalo/socket"

// facts are what there is to tell of a connection: those of the TLS within it, and QUIC's
// version.
func (c *connection) facts() []socket.Fact {
	state := c.quic.ConnectionState()
	facts := append(c.prepared.tls.Facts(state.TLS), socket.Fact{Layer: "quic", Name: "quic", Value: state.Version.String()})
	if state.Used0RTT {
		facts = append(facts, socket.Fact{Layer: "quic", Name: "early", Variable: "QUIC_EARLY", Value: "true"})
	}
	return facts
}
