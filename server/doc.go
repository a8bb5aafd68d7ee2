// Package server is the passive side of every domain: it accepts connections,
// gives each to a handler, and ends in good order.
//
// A [Server] accepts on any number of [Listener]s, which may be of different
// domains: a passive [socket.Socket] is one. It bounds how many connections
// are open, turns away peers that a [List] names, pauses while the system has
// no descriptors left, and when its context ends it drains: it stops accepting
// and lets what is open finish for a time.
//
// [Sessions] do the same for sockets without connections: each peer of one gets
// a socket of its own, for as long as it is not idle.
//
// The package makes no sockets and knows no addresses; whoever calls it binds
// and listens. It starts no programs either, and joins no two sockets: that is
// done by packages above it.
package server
