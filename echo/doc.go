// Package echo sends back what it receives, over any kind of socket: RFC 862, and
// the lecture's server. It is the engines of a relay, joined to themselves.
//
// An [Echoer] echoes one connection ([Echoer.Connection]), as a handler of a
// [server.Server] may, or all peers of a socket without connections
// ([Echoer.Datagrams]). [Streams] echoes whoever connects to listeners of the
// kernel's streams, by event loops.
package echo
