package socket

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Ancillary is what accompanies a message besides its data, see recvmsg(2) and
// cmsg(3). Present says which fields hold something: after Receive, which
// arrived; on Send, which to send.
type Ancillary struct {
	Present AncillarySet

	// Files are descriptors passed over a unix socket (SCM_RIGHTS). On
	// Send they stay the caller's. On Receive they are taken in only if
	// WantFiles asks for them, and are close-on-exec. Those that TakeFiles
	// did not take are closed when the next message is received into this
	// one.
	Files []int
	// WantFiles is the most descriptors that Receive may take in; with 0,
	// the default, those that arrive are closed and Receive says
	// ErrDescriptorsRefused.
	WantFiles int

	// Credentials are the sender's process, user and group
	// (SCM_CREDENTIALS), received with the option [option.PassCredentials]. To send
	// other than one's own needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID.
	Credentials Credentials

	// PIDFD is a descriptor of the sender's process (SCM_PIDFD, Linux 6.5),
	// received with the option [option.PassPIDFD]: close-on-exec, and closed as
	// Files are unless TakePIDFD takes it. It is negative where the process
	// is gone.
	PIDFD int

	// Time is when the message arrived (or, in the error queue, left), by the
	// system's clock: received with the options [option.Timestamps] and
	// [option.Timestamping].
	Time time.Time

	// HardwareTime is the same by the clock of the network card, which need
	// not be set to the time of day; with [option.Timestamping].
	HardwareTime time.Time

	// PacketInfo is by which interface and for which address the message
	// came, received with the option [option.ReceivePacketInfo] (IP_PKTINFO,
	// IPV6_PKTINFO). On Send its Interface and Local say where it leaves.
	PacketInfo PacketInfo

	// HopLimit is the packet's time to live, 1 to 255, received with the
	// option [option.ReceiveHopLimit] (IP_RECVTTL, IPV6_RECVHOPLIMIT). On Send -1
	// is the socket's own.
	HopLimit int

	// TrafficClass is the packet's byte of DSCP and ECN (RFC 2474, RFC
	// 3168), received with the option [option.ReceiveTrafficClass] (IP_RECVTOS,
	// IPV6_RECVTCLASS).
	TrafficClass int

	// Dropped is how many messages this socket's full receive queue has
	// dropped since it was made, up to when this one arrived, received with
	// the option [option.ReceiveDropped] (SO_RXQ_OVFL). Linux leaves it out while it
	// is 0.
	Dropped uint32

	// OriginalDestination is the name to which a packet was addressed that a
	// transparent proxy was given, received with the option
	// [option.ReceiveOriginalDestination] (IP_RECVORIGDSTADDR).
	OriginalDestination Name

	// Error is what [Socket.ReceiveError] took from the error queue.
	Error QueuedError

	// Control holds what has no field above, for families of one's own: each
	// item as cmsg(3) has it. Receive fills it with memory of the Message,
	// good until the next Receive.
	Control []Control

	memory  []byte // what Control refers to, kept
	untaken []int  // descriptors received that are closed by the next Receive
}

// TakeFiles returns the Files that Receive took in, which are the caller's to
// close from now on. The slice is good until the next Receive.
func (a *Ancillary) TakeFiles() []int {
	a.untaken = slices.DeleteFunc(a.untaken, func(fd int) bool { return slices.Contains(a.Files, fd) })
	return a.Files
}

// TakePIDFD returns the PIDFD that Receive took in, which is the caller's to
// close from now on; -1 where there is none.
func (a *Ancillary) TakePIDFD() int {
	if a.Present&HasPIDFD == 0 {
		return -1
	}
	a.untaken = slices.DeleteFunc(a.untaken, func(fd int) bool { return fd == a.PIDFD })
	return a.PIDFD
}

// CloseFiles closes what Receive took in and nobody took: for the last message,
// which no other follows.
func (a *Ancillary) CloseFiles() { a.closeUntaken() }

// ECN returns the two bits of TrafficClass that tell of congestion (RFC 3168):
// 0 not capable, 1 and 2 capable, 3 congestion met.
func (a *Ancillary) ECN() int { return a.TrafficClass & 3 }

// PacketInfo is where a packet came in, or is to leave.
type PacketInfo struct {
	// Interface is the index of the network interface. On Send 0 leaves it
	// to the system.
	Interface int
	// Local is the address of this machine that answers come from: for a
	// packet to a broadcast or multicast address not the one it was sent to.
	// On Send the address to come from; the zero Addr, which is also that of
	// an IPv6 multicast packet, leaves it to the system.
	Local netip.Addr
	// Destination is the address to which the packet was sent; not used by
	// Send.
	Destination netip.Addr
}

// AncillarySet says which fields of an [Ancillary] hold something.
type AncillarySet uint32

// The members of an AncillarySet.
const (
	HasFiles AncillarySet = 1 << iota
	HasCredentials
	HasTime
	HasControl
	HasPIDFD
	HasHardwareTime
	HasPacketInfo
	HasHopLimit
	HasTrafficClass
	HasDropped
	HasOriginalDestination
	HasError
)

// Credentials name a process and its user and group, as SCM_CREDENTIALS and
// SO_PEERCRED do.
type Credentials struct {
	PID int
	UID int
	GID int
}

// Control is one item of ancillary data that this package does not know.
type Control struct {
	Level, Type int
	Data        []byte
}

// String returns the three, as "pid=1 uid=0 gid=0".
func (c Credentials) String() string { return fmt.Sprintf("pid=%d uid=%d gid=%d", c.PID, c.UID, c.GID) }
