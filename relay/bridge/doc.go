// Package bridge joins what comes to one address with another: it accepts at
// FROM, reaches TO, and passes on what each sends, for any two addresses.
//
//	from, _ := address.Parse("unix-listen:/run/web.sock")
//	to, _ := address.Parse("tcp:localhost:80")
//	b := &bridge.Bridge{From: from, To: []address.Address{to}}
//	err := b.Run(ctx)
//
// Which sides listen decides what [Bridge.Run] does. Where FROM does, any number
// of its peers are served at once, each joined with a TO of its own: a fresh
// connection, or the next peer of TO where that listens too. Where FROM does
// not, there is one pair, and Run ends with it. The option once makes a listener
// take one peer.
//
// What passes between the two ends of a pair, and how it ends, are the rules of
// package relay. This package has what is around a pair: limits, the choice
// among several TO, trying again, the end in good order, and the account of it
// all: a [Pair] for each, told as it ends ([Bridge.OnEnd]) or asked for while it
// is open ([Bridge.Open]), and [Totals].
//
// # Paths
//
// There are two ways through, under one contract. The general [Path] is
// package relay's Join, for any two ends; there the peers of a datagram socket
// are sessions of package server, each a socket to join like any other. The fast
// one moves the octets of two kernel streams by event loops (fast_linux.go), and
// the datagrams of the kernel's in batches, by package relay/datagrams
// (datagram.go). path.go chooses; all give their pairs to the one account
// (account.go), and keep the same limits.
package bridge
