// Package tls is the layer tls of the address language: TLS 1.2 and 1.3, by
// crypto/tls, over any reliable connection, as in tls+tcp: (for which tls: is
// short), tls+unix: or tls+exec:. A program has it by importing the package:
//
//	import _ "zocalo/layer/tls"
//
// docs/layers.md lists its options. What package crypto/tls alone does not do,
// and a [socket.Endpoint] has to, is in two files: wire.go keeps what has
// been encrypted until the peer takes it, so that a write whose deadline
// passes harms nothing, and endpoint.go has the ends of a connection, of which
// each direction has its own. One that does not end by TLS's own close_notify is a
// reset, for somebody may have cut it.
package tls
