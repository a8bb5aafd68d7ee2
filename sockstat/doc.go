// Package sockstat lists the sockets that are open on this host: TCP, MPTCP,
// UDP, raw, packet, unix and vsock, of both IP versions, with the processes
// that hold them, both ends of a local connection, and what TCP measures.
//
// It is for looking: it opens, changes and closes no socket but the netlink
// socket that it asks with, unless [Destroy] is called. It samples; it does not watch. A
// listing is not a snapshot: the kernel answers in pieces, and a socket that
// comes or goes meanwhile may be in it or not.
//
// # How the parts fit
//
// [Sockets] runs a [Query] and yields one [Socket] after another. The Query
// names kinds, states, a [Filter] and the [Details] that are wanted; what is not
// asked for is not gathered. [ParseFilter] makes a Filter from words such as
// port=443 or rtt=20ms..100ms. A [Column] is one property of a Socket, defined
// once: its name is the word of a filter, the key in JSON and the name of a
// table's column, and [Columns] lists them all.
//
// The answers come from sock_diag(7) over netlink, filtered in the kernel by
// kind, by state and, for internet sockets, by port and address. Where netlink
// is refused, or a kernel was built without a part of sock_diag, /proc/net is
// read instead, and a [Note] says so.
//
// # Memory
//
// One Socket is reused for the whole listing, so memory does not grow with the
// number of sockets. Some details need tables: [Processes] keeps 12 bytes for
// each descriptor that is a socket, [PeerNames] 8 for each unix socket that has
// a name, [Peers] besides 16 for each end of a TCP connection inside this host,
// and [Cgroups] the path of each control group.
//
// # Odd names
//
// The path of a unix socket and the name of a process may hold any byte:
// line breaks, terminal escape sequences, text that runs from right to left.
// Every text that a Column makes passes through [Quote]. The fields of a Socket
// hold the names as they are.
package sockstat
