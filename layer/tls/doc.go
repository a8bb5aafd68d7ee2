// Package tls is the layer tls of the address language: TLS 1.2 and 1.3 over any
// reliable connection, as in tls+tcp: (tls: for short), tls+unix: or tls+exec:.
// Importing the package adds it to a program:
//
//	import _ "zocalo/layer/tls"
//
// docs/layers.md lists its options. crypto/tls does most of the work; two files
// add what a [socket.Endpoint] promises and crypto/tls does not. wire.go keeps
// encrypted records until the peer takes them, so a write whose deadline passes
// does not corrupt the connection. endpoint.go lets the two directions end
// independently, and turns an end without close_notify into a reset, since an
// attacker may have cut the connection.
package tls
