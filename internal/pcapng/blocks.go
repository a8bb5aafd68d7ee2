// Package pcapng is the file format of Wireshark's captures: the pcapng blocks that
// this project needs (draft-ietf-opsawg-pcapng), and nothing of what is within the
// packets.
//
// A [Writer] writes a file: a section header, then interfaces, packets, names,
// secrets and statistics in the order in which they are handed to it, each block in
// one Write. It allocates nothing per packet, buffers nothing, and is for one
// goroutine at a time: queues, rotation and full disks are for whoever uses it. The
// types of this file are those of writer and reader alike.
//
// A [Reader] reads files of whatever program, the classic ones (pcap) too: packet after
// packet, whatever the file is.
package pcapng

import (
	"net/netip"
	"time"
)

// A BlockType says what a block is.
type BlockType uint32

// The types of blocks (draft, section 4 and its registry of block types).
const (
	SectionHeader       BlockType = 0x0a0d0d0a // SHB, a palindrome: it is read before the byte order is known
	InterfaceBlock      BlockType = 1          // IDB
	OldPacketBlock      BlockType = 2          // the packet block of old files
	SimplePacketBlock   BlockType = 3          // SPB
	NameResolution      BlockType = 4          // NRB
	InterfaceStatistics BlockType = 5          // ISB
	EnhancedPacketBlock BlockType = 6          // EPB
	DecryptionSecrets   BlockType = 10         // DSB
)

const (
	byteOrder    = 0x1a2b3c4d // of a section header, in its own order
	majorVersion = 1
	minorVersion = 0

	// The magic numbers of classic pcap files, in the file's own order.
	classicMicroseconds = 0xa1b2c3d4
	classicNanoseconds  = 0xa1b23c4d
)

// The codes of options. Each kind of block has its own beside those of all.
const (
	optEnd     = 0
	optComment = 1

	sectionHardware    = 2
	sectionOS          = 3
	sectionApplication = 4

	interfaceName        = 2
	interfaceDescription = 3
	interfaceSpeed       = 8
	interfaceResolution  = 9
	interfaceFilter      = 11
	interfaceOS          = 12
	interfaceOffset      = 14 // seconds that are added to every time
	interfaceHardware    = 15

	packetFlags   = 2
	packetHash    = 3
	packetDropped = 4
	packetID      = 5
	packetQueue   = 6
	packetVerdict = 7
	packetProcess = 8 // process and thread, 4 bytes each

	statisticsStart     = 2
	statisticsEnd       = 3
	statisticsReceived  = 4
	statisticsDropped   = 5
	statisticsAccepted  = 6
	statisticsOSDropped = 7
	statisticsDelivered = 8

	// Records of a name resolution block.
	recordEnd  = 0
	recordIPv4 = 1
	recordIPv6 = 2
)

// A LinkType says what the packets of an interface begin with: the numbers of
// tcpdump.org/linktypes.html.
type LinkType uint16

// The link types that this project writes or reads.
const (
	LinkNull        LinkType = 0   // BSD loopback: 4 bytes of address family in the writer's byte order
	LinkEthernet    LinkType = 1   // Ethernet frames
	LinkRaw         LinkType = 101 // IPv4 or IPv6, told apart by their version
	LinkLoop        LinkType = 108 // OpenBSD loopback: 4 bytes of address family in network byte order
	LinkLinuxSLL    LinkType = 113 // Linux cooked capture
	LinkUser0       LinkType = 147 // private use
	LinkIPv4        LinkType = 228 // IPv4
	LinkIPv6        LinkType = 229 // IPv6
	LinkExportedPDU LinkType = 252 // Wireshark's exported PDUs: tags, then what a dissector reads
	LinkLinuxSLL2   LinkType = 276 // Linux cooked capture, version 2
)

// Direction is the way a packet went, as the flags of an enhanced packet block tell
// it (draft, section 4.3.1).
type Direction uint8

// The directions.
const (
	DirectionUnknown Direction = 0
	Inbound          Direction = 1
	Outbound         Direction = 2
)

func (d Direction) String() string {
	return [...]string{"unknown", "inbound", "outbound", "3"}[d&3]
}

// SecretType is the format of what a decryption secrets block holds.
type SecretType uint32

// TLSKeyLog are lines of NSS's key log, as SSLKEYLOGFILE has them.
const TLSKeyLog SecretType = 0x544c534b

// A Section is what a section header tells: of the file, and of its writer.
type Section struct {
	Hardware    string
	OS          string
	Application string
	Comments    []string
}

// An Interface is where packets were seen.
type Interface struct {
	LinkType    LinkType
	SnapLen     uint32 // bytes kept of a packet at most; 0 is no bound
	Name        string
	Description string
	Filter      string // what chose the packets, in the words of whatever did
	OS          string
	Hardware    string
	Comments    []string
}

// A Packet is what an enhanced packet block holds.
type Packet struct {
	// Interface is which one of the section it passed, from 0 in the order of their
	// blocks.
	Interface int

	// Time is when it passed, in nanoseconds at most.
	Time time.Time

	// Header and Data together are the packet. A writer takes headers that were made up for
	// it apart from the data; a reader gives Data alone.
	Header, Data []byte

	// Length is that of the packet on the wire where more passed than was kept; 0 is
	// that of Header and Data.
	Length int

	Direction Direction

	// Comments are for people.
	Comments []string

	// Dropped counts the packets lost since the one before it on the interface.
	Dropped uint64

	// ID is shared by packets that are the same one at several interfaces; 0 is none.
	ID uint64

	// Process is the number of the process at this end; 0 is none.
	Process uint32
}

// A Name is what an address is called: in a file, for those who have no such host.
type Name struct {
	Addr  netip.Addr
	Names []string
}

// Statistics are what was counted at an interface.
type Statistics struct {
	Interface int
	Time      time.Time // when they were counted

	// Start and End are of the capture; the zero Time is unknown.
	Start, End time.Time

	Received  uint64 // packets that passed
	Dropped   uint64 // packets that are not in the file for want of room or time
	Delivered uint64 // packets that are in the file
	Comments  []string
}
