// Package xns is domain NS, the Xerox Network Systems protocols, in user
// space: the lecture's AF_NS. A program that imports it has the schemes spp
// (messages in order over a connection), spp-stream (bytes in order) and idp
// (datagrams), like those of the domains that a kernel implements.
//
// It is for talking to Xerox machines, to their emulators and to Interlisp,
// and for a transport that has all six properties of a socket. It is not a
// router, and not Courier or what runs over it.
//
// From the bottom up:
//
//   - A [Link] carries IDP packets between the hosts on it: the processes of
//     one machine ([OpenLink] "local"), a NetHub, an Ethernet interface, UDP,
//     or memory. [Impair] and [Record] wrap one.
//   - A [Host] is one station on a link: it shares the link out among its
//     sockets, answers Echo, and sends and takes in Errors.
//   - IDP, SPP and the Packet Exchange Protocol are sockets of a host. Those
//     that package socket makes find their host by the option link, and share
//     it with the others of the process; [NewHost] makes one by hand.
//
// Wire formats are those of the Xerox System Integration Standard "Internet
// Transport Protocols" (XSIS 028112), and the socket interface that of the
// 4.3BSD system, ns(4).
package xns
