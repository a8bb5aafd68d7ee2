// Package websocket is the layers ws and ws-stream of the address language: the WebSocket
// protocol (RFC 6455), by github.com/gobwas/ws, over any reliable connection, for example
// ws:host:port/path (short for ws+tcp:), wss: (ws+tls+tcp:) or ws+unix:. With ws a
// message is a message; ws-stream is a stream of bytes. A program gets them by importing
// the package, and wss: by importing that of TLS as well:
//
//	import _ "zocalo/layer/websocket"
//
// docs/layers.md lists their options. input.go and reading.go take frames apart, output.go
// makes them, together.go does both for several messages at once, client.go and server.go are the
// handshake. A Close frame ends
// one direction, as a FIN does; a connection that ends without one is a reset.
package websocket
