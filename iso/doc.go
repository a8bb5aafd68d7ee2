// Package iso is the domain of ISO transport, the lecture's AF_ISO, in user
// space: class 0 of the transport protocol over TCP (RFC 1006, RFC 2126), as
// Siemens S7, IEC 61850 MMS and ICCP use it, and its connectionless sibling
// over UDP (ISO 8602, RFC 1240).
//
// A program that imports the package has the domains [Domain] and [Domain6],
// over IPv4 and IPv6, and the schemes iso, iso-stream and iso-dgram; nothing
// else need be called:
//
//		import _ "zocalo/iso"
//
//	  - SeqPacket: a message is a TSDU. It may be cut into many TPDUs on the
//	    way, and arrives whole.
//	  - Stream: the same connection as a stream of bytes. The ends of TSDUs
//	    are forgotten.
//	  - Datagram: a message is one unit-data TPDU.
//
// A [Selector] (TSAP) says who is meant behind an address and port. Several
// listeners of a process share a TCP port, told apart by their selectors; one
// without a selector takes what is nobody else's.
//
// How the parts fit: tpkt and tpdu turn bytes to TPDUs and back, and know no
// sockets. A connection (reading, writing, urgent) is an endpoint over a TCP
// socket; handshake makes it. A station is a TCP port that listeners share. A
// datagram is an endpoint over a UDP socket. The family registers them.
//
// What class 0 does not have, the package does not have: no half-close, no
// empty message, no urgent data unless both sides agreed to it. It is not for
// classes 1 to 4, for CLNP, or for the layers above transport.
package iso
