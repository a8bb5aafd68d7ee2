// Package option has the options of sockets, each with the type of its value:
// setsockopt(2) and getsockopt(2), and what families in user space have like them.
//
// An option is a variable of type [Option]. It is set on an open socket by its method
// Set and read by Get, through layers and wrappers:
//
//	err := option.NoDelay.Set(s, true)
//	size, err := option.ReceiveBuffer.Get(s)
//
// With makes a [Setting] of it, for an address, without writing text:
//
//	a.Settings = append(a.Settings, option.ReuseAddress.With(true))
//
// An option that a socket or a system does not have is an error that says so. What the
// system does silently, such as lowering a size, is in the comments and in docs/options.md.
//
// # The options
//
//   - of every kernel socket: [ReuseAddress], [ReusePort], [KeepAlive], [Broadcast],
//     [ReceiveBuffer], [SendBuffer], [Linger], [OOBInline], [Mark], [Device], [Priority] ...
//   - of TCP: [NoDelay], [KeepAliveIdle], [UserTimeout], [Congestion], [FastOpen], [Cork] ...;
//     [ConnectionInfo] and [MultipathInfo] are only read
//   - of IP: [TypeOfService], [TTL], [V6Only], [MTUDiscovery], [FreeBind], [Transparent] ...,
//     and of multicast [JoinGroup], [MulticastInterface], [MulticastTTL] ...
//   - of UDP: [UDPGRO], [UDPGSO], [AnyPort]
//   - of unix sockets: [PeerCredentials], [PassCredentials], [UnlinkClose]
//   - what comes with messages: [ReceivePacketInfo], [ReceiveErrors], [Timestamping],
//     [AllowZeroCopy] ...
//   - of packet sockets, on Linux: Promiscuous, Fanout, IgnoreOutgoing
//
// # For authors of families and layers
//
// [New] declares an option: a [Spec], which is what the address language knows of it, a
// codec of package zocalo/codec for its value, and two functions. The [Phase] says
// when, between an address and an open socket, it has its effect. A scheme lists the Specs
// that it takes, and finds in [Settings] what an address gave.
package option
