package pcapng

import (
	"encoding/binary"
	"time"
)

// MaxPacket is the longest packet that a Writer writes, and its reader reads: Wireshark
// takes blocks of up to 16 MiB.
const MaxPacket = 16<<20 - 1<<16

// AppendInterface appends the block of an interface to dst, for whoever keeps blocks
// before they are written. The first of a section is number 0.
func AppendInterface(dst []byte, i Interface) []byte {
	b := begin(dst, InterfaceBlock)
	b.uint16(uint16(i.LinkType))
	b.uint16(0)
	b.uint32(i.SnapLen)
	b.comments(i.Comments)
	b.text(interfaceName, i.Name)
	b.text(interfaceDescription, i.Description)
	b.text(interfaceOS, i.OS)
	b.text(interfaceHardware, i.Hardware)
	if i.Filter != "" {
		b.text(interfaceFilter, "\x00"+i.Filter) // 0: text, as libpcap has it
	}
	b.option(interfaceResolution, 1)
	b.block = append(b.block, 9, 0, 0, 0) // powers of ten: nanoseconds; three of padding
	return b.end(true)
}

// AppendPacket appends the block of a packet to dst. It allocates nothing where there is
// room for [PacketSize].
func AppendPacket(dst []byte, p *Packet) []byte {
	kept := len(p.Header) + len(p.Data)
	b := begin(dst, EnhancedPacketBlock)
	b.uint32(uint32(p.Interface))
	b.time(p.Time)
	b.uint32(uint32(kept))
	b.uint32(uint32(max(kept, p.Length)))
	b.block = append(b.block, p.Header...)
	b.block = append(b.block, p.Data...)
	b.pad()
	before := len(b.block)
	if p.Direction != DirectionUnknown {
		b.option(packetFlags, 4)
		b.uint32(uint32(p.Direction))
	}
	b.number(packetDropped, p.Dropped)
	b.number(packetID, p.ID)
	if p.Process != 0 {
		b.option(packetProcess, 8)
		b.uint32(p.Process)
		b.uint32(0)
	}
	b.comments(p.Comments)
	return b.end(len(b.block) > before)
}

// PacketSize is the most bytes that the block of a packet may take.
func PacketSize(p *Packet) int {
	const fixed, options = 32, 8 + 12 + 12 + 12 + 4
	n := fixed + options + len(p.Header) + len(p.Data) + 3
	for _, c := range p.Comments {
		n += 4 + min(len(c), maxOption) + 3
	}
	return n
}

// AppendNames appends a block of names to dst.
func AppendNames(dst []byte, names []Name) []byte {
	b := begin(dst, NameResolution)
	for _, n := range names {
		kind, size := recordIPv6, 16
		if n.Addr.Is4() {
			kind, size = recordIPv4, 4
		}
		for _, name := range n.Names {
			size += len(name) + 1
		}
		if !n.Addr.IsValid() || len(n.Names) == 0 || size > maxOption {
			continue
		}
		b.option(kind, size)
		b.block = append(b.block, n.Addr.AsSlice()...)
		for _, name := range n.Names {
			b.block = append(append(b.block, name...), 0)
		}
		b.pad()
	}
	b.uint32(recordEnd)
	return b.end(false)
}

// AppendSecrets appends a block of secrets to dst.
func AppendSecrets(dst []byte, t SecretType, secrets []byte) []byte {
	b := begin(dst, DecryptionSecrets)
	b.uint32(uint32(t))
	b.uint32(uint32(len(secrets)))
	b.block = append(b.block, secrets...)
	b.pad()
	return b.end(false)
}

// AppendStatistics appends the block of what was counted at an interface to dst.
func AppendStatistics(dst []byte, s *Statistics) []byte {
	b := begin(dst, InterfaceStatistics)
	b.uint32(uint32(s.Interface))
	b.time(s.Time)
	b.comments(s.Comments)
	for _, o := range [...]struct {
		code int
		t    time.Time
	}{{statisticsStart, s.Start}, {statisticsEnd, s.End}} {
		if !o.t.IsZero() {
			b.option(o.code, 8)
			b.time(o.t)
		}
	}
	for _, o := range [...]struct {
		code int
		n    uint64
	}{{statisticsReceived, s.Received}, {statisticsDropped, s.Dropped}, {statisticsDelivered, s.Delivered}} {
		b.option(o.code, 8) // 0 is told too: that nothing was lost is worth knowing
		b.uint64(o.n)
	}
	return b.end(true)
}

// maxOption is the longest value of an option, whose length has 16 bits.
const maxOption = 1<<16 - 1

// A builder makes a block at the end of bytes.
type builder struct {
	block []byte
	start int
}

// begin begins a block.
func begin(dst []byte, t BlockType) builder {
	b := builder{dst, len(dst)}
	b.uint32(uint32(t))
	b.uint32(0) // its length, which end puts there
	return b
}

func (b *builder) uint16(v uint16) { b.block = binary.LittleEndian.AppendUint16(b.block, v) }
func (b *builder) uint32(v uint32) { b.block = binary.LittleEndian.AppendUint32(b.block, v) }
func (b *builder) uint64(v uint64) { b.block = binary.LittleEndian.AppendUint64(b.block, v) }

// time appends a time in nanoseconds since 1970, its high half first.
func (b *builder) time(t time.Time) {
	ns := uint64(t.UnixNano())
	b.uint32(uint32(ns >> 32))
	b.uint32(uint32(ns))
}

// pad fills the block up to a multiple of 4 bytes.
func (b *builder) pad() {
	for (len(b.block)-b.start)%4 != 0 {
		b.block = append(b.block, 0)
	}
}

func (b *builder) option(code, size int) {
	b.uint16(uint16(code))
	b.uint16(uint16(size))
}

// text appends an option that is text; the empty one is left out.
func (b *builder) text(code int, s string) {
	if s == "" {
		return
	}
	s = s[:min(len(s), maxOption)]
	b.option(code, len(s))
	b.block = append(b.block, s...)
	b.pad()
}

func (b *builder) comments(comments []string) {
	for _, c := range comments {
		b.text(optComment, c)
	}
}

// number appends an option of 8 bytes; 0 is left out.
func (b *builder) number(code int, v uint64) {
	if v != 0 {
		b.option(code, 8)
		b.uint64(v)
	}
}

// end ends the options where the block has any, and puts the block between its two
// lengths.
func (b *builder) end(options bool) []byte {
	if options {
		b.uint32(optEnd)
	}
	n := uint32(len(b.block) - b.start + 4)
	binary.LittleEndian.PutUint32(b.block[b.start+4:], n)
	b.uint32(n)
	return b.block
}
