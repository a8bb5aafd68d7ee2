// Package upstream chooses where the peers of a relay go: among several servers, by
// how busy they are, what they weigh and whether they answer.
//
//	pool, err := upstream.New(upstream.Config{Members: []upstream.Member{{Address: a}, {Address: b}}})
//	r := &relay.Relay{Config: relay.Config{From: from, To: pool.Addresses()}}
//	pool.Link().Hook(&r.Hooks)
//	go pool.Run(ctx)
//	err = r.Run(ctx)
//
// A [Pool] has the servers of its [Config], and a [Link] is its share in one relay: it
// chooses as the relay's [relay.Hooks] Route, learns from Reached and Ended what came of
// that, and so knows how many pairs each server has. It moves no byte itself, and the
// relay keeps its engine. Connections and the sessions of datagram peers are balanced
// alike.
//
// # Members and servers
//
// A [Member] is an address as the configuration has it. A name that means several
// addresses is several servers, each with the member's weight; it is looked up again
// every Resolve, beside the traffic. Where the addresses are of both IPv4 and IPv6, those of the
// family that the system prefers are used, and the others while none of them is up. What
// the layers of an address know of its host, as the name that TLS expects, stays as
// the member has it. Until a name was looked up for the first time, the relay does so,
// and always for schemes that have no port, as iso.
//
// # Health
//
// A server is up until something says otherwise:
//
//   - a [Check] connects to it now and then, and Fall failures in a row make it down, Rise
//     successes up again; the first check of a server counts at once;
//   - pairs that could not reach it, or that it reset before it answered, eject it for a
//     while (see [Passive]): longer each time, and never so many at once that fewer than a share are
//     left. The last one that is up is never ejected;
//   - [Pool.Eject] takes it out until [Pool.Restore].
//
// What is open to a server that goes down stays open. A pair goes to servers that are
// up; the relay tries Tries of them in turn until one is reached, and nothing of the
// peer was passed on before that. Backups take part while no other server is up.
// Servers that are only ejected come after all that are up, the first to return first, since a
// few failures prove little: when all are down they are tried all the same. Those that are
// down by a check or by hand are not: the pair fails with [ErrNoneUp], or waits where the
// relay has a time to retry.
//
// # Parts
//
// config.go has what is asked for, server.go the servers and their state, pool.go the
// set of them, view.go what picks look at, pick.go the policies, link.go the hooks,
// health.go who is up, check.go the checks, resolve.go the names, status.go the account.
package upstream
