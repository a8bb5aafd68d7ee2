// Package serve runs a program for each connection, as inetd does: its
// descriptors 0 and 1 are the connected socket itself.
//
// A [Program] says which, as whom and within which bounds. Its method
// [Program.Serve] is the handler of a [server.Server], and of
// [server.Sessions] for the peers of datagram sockets. [Program.ServeListener]
// hands over listening sockets instead, as inetd's "wait" does, or as systemd's
// LISTEN_FDS.
//
// Where an endpoint has no descriptor, as in a domain that lives in user space
// or in a datagram session, the program gets one end of a socket pair of the
// same type, and package relay copies; so it does for a program that wants a
// terminal.
//
// The package accepts nothing itself, and knows no addresses.
package serve
