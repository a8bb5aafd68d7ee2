// Package quic has the schemes quic:, a stream of a QUIC connection, and
// quic-dgram:, its datagrams (RFC 9221). A program gets them by importing the
// package:
//
//	import _ "zocalo/layer/quic"
//
// Frames, loss and congestion are the business of github.com/quic-go/quic-go. Here
// is what makes a [socket.Socket] of it, and docs/layers.md lists the options.
//
// QUIC is not a layer over one socket: many connections share a UDP socket
// (transport.go), and many streams a connection (connection.go, pool.go). So it is a
// family of its own, whose names are those of the Internet.
package quic
