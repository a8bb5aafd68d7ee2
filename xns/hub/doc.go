// Package hub is a NetHub, at which the Xerox emulators meet: Ethernet frames
// on streams, each repeated to everybody else.
//
// A [Hub] has ports: lines to its clients ([Hub.Serve], a handler for package
// server), a real Ethernet interface ([Hub.Bridge]) and a recorder
// ([Hub.Record]). Each has a queue of its own, so that one that is slow loses
// frames and holds up nobody. [Reader] and [Framing] are the two ways in which
// frames follow one another on a stream, for clients as well.
//
// The package knows Ethernet, and nothing of what the frames carry; it opens
// no sockets. NetHub's protocol has no login and no encryption: who may
// connect is for package server's lists.
package hub
