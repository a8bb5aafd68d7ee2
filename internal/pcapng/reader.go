package pcapng

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"time"
)

const (
	// maxBlock is the longest block that is read, in bytes: as long as Wireshark reads.
	maxBlock = 16 << 20

	// maxInterfaces bounds what a section may declare, and is never reached by a file that
	// somebody recorded.
	maxInterfaces = 1 << 16

	readAhead = 256 << 10
)

// A FormatError says where and why a file is not one that can be read.
type FormatError struct {
	Offset int64 // of the block, or of the record of a classic file, in bytes from the beginning
	Text   string

	// Cut is set where all that is wrong is that the file ends within a block, as that of
	// a program that was killed.
	Cut bool
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("at byte %d of the file: %s", e.Offset, e.Text)
}

// Unwrap returns io.ErrUnexpectedEOF where the file was cut off.
func (e *FormatError) Unwrap() error {
	if e.Cut {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// A Reader reads a file of packets from its beginning to its end: pcapng of either byte
// order, with any number of sections and interfaces, or classic pcap of either byte
// order, with microseconds or nanoseconds. It holds one block at a time, never more than
// 16 MiB, and of what the file says nothing is believed before it is seen.
//
// The errors of NewReader and Next are a [*FormatError] where the file is not as it should be.
// It is for one goroutine at a time.
type Reader struct {
	// OnNames, if not nil, is told of the names of hosts that the file has, where they
	// come.
	OnNames func([]Name)

	// OnSecrets, if not nil, is told of secrets. The bytes are good until it returns.
	OnSecrets func(SecretType, []byte)

	// OnStatistics, if not nil, is told of what was counted.
	OnStatistics func(*Statistics)

	r       *bufio.Reader
	next    func() (*Packet, error)
	order   binary.ByteOrder
	offset  int64 // of what is read next
	at      int64 // of the block that was read last
	block   []byte
	packet  Packet
	section Section

	interfaces []seen
	perSecond  uint64 // of a classic file
}

// seen is an interface of the section that is being read.
type seen struct {
	Interface
	perSecond uint64 // the units of its times
	shift     int64  // seconds that are added to them
}

// NewReader begins to read a file, whose format its first bytes tell.
func NewReader(r io.Reader) (*Reader, error) {
	f := &Reader{r: bufio.NewReaderSize(r, readAhead)}
	magic, err := f.r.Peek(4)
	switch {
	case len(magic) == 0 && (err == nil || errors.Is(err, io.EOF)):
		return nil, f.failed("it is empty")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(magic) < 4:
		return nil, f.cut("the first of its blocks")
	}
	if binary.LittleEndian.Uint32(magic) == uint32(SectionHeader) {
		f.next = f.nextBlock
		return f, nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(magic) {
		case classicMicroseconds:
			return f, f.beginClassic(order, 1e6)
		case classicNanoseconds:
			return f, f.beginClassic(order, 1e9)
		}
	}
	if magic[0] == 0x1f && magic[1] == 0x8b {
		return nil, f.failed("it is compressed: decompress it first, with gunzip")
	}
	return nil, f.failed(fmt.Sprintf("it is neither pcapng nor pcap: it begins with %x", magic))
}

// Next returns the next packet, or io.EOF after the last. The packet and its Data are
// good until the next call. Where its block has no time, as a simple packet has none, its
// Time is the zero Time.
func (f *Reader) Next() (*Packet, error) { return f.next() }

// Interface is the one that the last packet passed.
func (f *Reader) Interface() *Interface { return &f.interfaces[f.packet.Interface].Interface }

// Section is what the header of the section tells that is being read.
func (f *Reader) Section() *Section { return &f.section }

// Offset is where the block of the last packet begins, in bytes from the beginning of
// the file.
func (f *Reader) Offset() int64 { return f.at }

func (f *Reader) failed(text string) error { return &FormatError{Offset: f.at, Text: text} }

func (f *Reader) cut(within string) error {
	return &FormatError{Offset: f.at, Text: "the file ends within " + within, Cut: true}
}

// take reads n bytes. Memory grows with what is there and not with what was promised.
func (f *Reader) take(n int, within string) error {
	const step = 1 << 20
	f.block = f.block[:0]
	for len(f.block) < n {
		now := min(n-len(f.block), step)
		have := len(f.block)
		if cap(f.block)-have < now {
			f.block = append(make([]byte, 0, max(have+now, min(2*have, n))), f.block...)
		}
		f.block = f.block[:have+now]
		got, err := io.ReadFull(f.r, f.block[have:])
		f.offset += int64(got)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return f.cut(within)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nextBlock reads blocks up to one that is a packet.
func (f *Reader) nextBlock() (*Packet, error) {
	for {
		f.at = f.offset
		if _, err := f.r.Peek(1); err != nil {
			return nil, err
		}
		kind, body, err := f.readBlock()
		if err != nil {
			return nil, err
		}
		packet := false
		switch kind {
		case SectionHeader:
			err = f.readSection(body)
		case InterfaceBlock:
			err = f.readInterface(body)
		case EnhancedPacketBlock, OldPacketBlock:
			packet, err = true, f.readPacket(body, kind == OldPacketBlock)
		case SimplePacketBlock:
			packet, err = true, f.readSimple(body)
		case NameResolution:
			err = f.readNames(body)
		case InterfaceStatistics:
			err = f.readStatistics(body)
		case DecryptionSecrets:
			err = f.readSecrets(body)
		}
		switch {
		case err != nil:
			return nil, err
		case packet:
			return &f.packet, nil
		}
	}
}

// readBlock reads a block, and returns what is between its lengths.
func (f *Reader) readBlock() (BlockType, []byte, error) {
	head, err := f.r.Peek(12)
	switch {
	case errors.Is(err, io.EOF):
		return 0, nil, f.cut("a block")
	case err != nil:
		return 0, nil, err
	}
	if binary.LittleEndian.Uint32(head) == uint32(SectionHeader) { // which says what order all that follows is in
		switch {
		case binary.LittleEndian.Uint32(head[8:]) == byteOrder:
			f.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]) == byteOrder:
			f.order = binary.BigEndian
		default:
			return 0, nil, f.failed(fmt.Sprintf("a section header whose byte order is %x", head[8:12]))
		}
	}
	kind, n := BlockType(f.order.Uint32(head)), f.order.Uint32(head[4:])
	switch {
	case n < 12 || n%4 != 0:
		return 0, nil, f.failed(fmt.Sprintf("a block of %d bytes, which must be a multiple of 4 and at least 12", n))
	case n > maxBlock:
		return 0, nil, f.failed(fmt.Sprintf("a block of %d bytes: at most %d are read", n, maxBlock))
	}
	if err := f.take(int(n), fmt.Sprintf("a block of %d bytes", n)); err != nil {
		return 0, nil, err
	}
	if end := f.order.Uint32(f.block[n-4:]); end != n {
		return 0, nil, f.failed(fmt.Sprintf("a block that says at its beginning that it has %d bytes and at its end %d", n, end))
	}
	return kind, f.block[8 : n-4], nil
}

func (f *Reader) readSection(body []byte) error {
	if len(body) < 16 {
		return f.failed("a section header that is too short")
	}
	if major := f.order.Uint16(body[4:]); major != majorVersion {
		return f.failed(fmt.Sprintf("version %d of pcapng: only version %d is known", major, majorVersion))
	}
	f.section, f.interfaces = Section{}, f.interfaces[:0]
	return f.options(body[16:], func(code int, v []byte) {
		switch code {
		case optComment:
			f.section.Comments = append(f.section.Comments, string(v))
		case sectionHardware:
			f.section.Hardware = string(v)
		case sectionOS:
			f.section.OS = string(v)
		case sectionApplication:
			f.section.Application = string(v)
		}
	})
}

func (f *Reader) readInterface(body []byte) error {
	switch {
	case len(body) < 8:
		return f.failed("the block of an interface that is too short")
	case len(f.interfaces) == maxInterfaces:
		return f.failed(fmt.Sprintf("more than %d interfaces", maxInterfaces))
	}
	i := seen{perSecond: 1e6}
	i.LinkType, i.SnapLen = LinkType(f.order.Uint16(body)), f.order.Uint32(body[4:])
	unknown := -1
	err := f.options(body[8:], func(code int, v []byte) {
		switch {
		case code == optComment:
			i.Comments = append(i.Comments, string(v))
		case code == interfaceName:
			i.Name = string(v)
		case code == interfaceDescription:
			i.Description = string(v)
		case code == interfaceOS:
			i.OS = string(v)
		case code == interfaceHardware:
			i.Hardware = string(v)
		case code == interfaceFilter && len(v) > 1 && v[0] == 0:
			i.Filter = string(v[1:])
		case code == interfaceOffset && len(v) == 8:
			i.shift = int64(f.order.Uint64(v))
		case code == interfaceResolution && len(v) > 0:
			if i.perSecond = unitsPerSecond(v[0]); i.perSecond == 0 {
				unknown = int(v[0])
			}
		}
	})
	if err == nil && unknown >= 0 {
		err = f.failed(fmt.Sprintf("an interface whose times have the resolution %#x, which is too fine", unknown))
	}
	f.interfaces = append(f.interfaces, i)
	return err
}

// unitsPerSecond reads a resolution (draft, section 4.2): an exponent of ten, or of two where the
// highest bit is set. It returns 0 for one that 64 bits cannot say.
func unitsPerSecond(resolution byte) uint64 {
	exponent := int(resolution & 0x7f)
	switch {
	case resolution&0x80 != 0 && exponent < 64:
		return 1 << exponent
	case resolution&0x80 != 0 || exponent > 19:
		return 0
	}
	units := uint64(1)
	for range exponent {
		units *= 10
	}
	return units
}

// timeOf is the time that a number of units says.
func timeOf(units, perSecond uint64, shift int64) time.Time {
	hi, lo := bits.Mul64(units%perSecond, 1e9)
	ns, _ := bits.Div64(hi, lo, perSecond) // less than 1e9, since the rest is less than perSecond
	seconds := int64(min(units/perSecond, math.MaxInt64/2))
	return time.Unix(seconds+max(min(shift, math.MaxInt64/4), math.MinInt64/4), int64(ns))
}

// begin makes the packet anew, in the memory of the one before.
func (f *Reader) begin(i uint32) error {
	if int64(i) >= int64(len(f.interfaces)) {
		return f.failed(fmt.Sprintf("a packet of interface %d, of which the section has %d", i, len(f.interfaces)))
	}
	f.packet = Packet{Interface: int(i)}
	return nil
}

func (f *Reader) readPacket(body []byte, old bool) error {
	if len(body) < 20 {
		return f.failed("the block of a packet that is too short")
	}
	number, dropped := f.order.Uint32(body), uint16(math.MaxUint16)
	if old {
		number, dropped = uint32(f.order.Uint16(body)), f.order.Uint16(body[2:])
	}
	if err := f.begin(number); err != nil {
		return err
	}
	i, p := &f.interfaces[number], &f.packet
	if dropped != math.MaxUint16 {
		p.Dropped = uint64(dropped)
	}
	p.Time = timeOf(uint64(f.order.Uint32(body[4:]))<<32|uint64(f.order.Uint32(body[8:])), i.perSecond, i.shift)
	kept, length := f.order.Uint32(body[12:]), f.order.Uint32(body[16:])
	body = body[20:]
	if int64(kept) > int64(len(body)) {
		return f.failed(fmt.Sprintf("a packet of %d bytes in a block with room for %d", kept, len(body)))
	}
	p.Data, p.Length = body[:kept], int(max(length, kept))
	return f.options(body[min(len(body), int(kept+3)&^3):], func(code int, v []byte) {
		switch {
		case code == optComment:
			p.Comments = append(p.Comments, string(v))
		case code == packetFlags && len(v) == 4:
			p.Direction = Direction(f.order.Uint32(v) & 3)
		case code == packetDropped && len(v) == 8:
			p.Dropped = f.order.Uint64(v)
		case code == packetID && len(v) == 8:
			p.ID = f.order.Uint64(v)
		case code == packetProcess && len(v) == 8:
			p.Process = f.order.Uint32(v)
		}
	})
}

func (f *Reader) readSimple(body []byte) error {
	if len(body) < 4 {
		return f.failed("the block of a simple packet that is too short")
	}
	if err := f.begin(0); err != nil {
		return err
	}
	length := f.order.Uint32(body)
	kept := min(int64(length), int64(len(body)-4))
	if snap := f.interfaces[0].SnapLen; snap != 0 {
		kept = min(kept, int64(snap))
	}
	f.packet.Data, f.packet.Length = body[4:4+kept], int(length)
	return nil
}

func (f *Reader) readNames(body []byte) error {
	var names []Name
	err := f.items(body, "a record of names", func(code int, v []byte) {
		size := map[int]int{recordIPv4: 4, recordIPv6: 16}[code]
		if size == 0 || len(v) < size {
			return
		}
		addr, _ := netip.AddrFromSlice(v[:size])
		n := Name{Addr: addr}
		for _, name := range splitZero(v[size:]) {
			n.Names = append(n.Names, string(name))
		}
		names = append(names, n)
	})
	if err == nil && f.OnNames != nil && names != nil {
		f.OnNames(names)
	}
	return err
}

// splitZero returns the texts that a zero ends.
func splitZero(b []byte) (texts [][]byte) {
	begin := 0
	for i, c := range b {
		if c == 0 {
			if i > begin {
				texts = append(texts, b[begin:i])
			}
			begin = i + 1
		}
	}
	return texts
}

func (f *Reader) readStatistics(body []byte) error {
	if len(body) < 12 {
		return f.failed("a block of statistics that is too short")
	}
	number := f.order.Uint32(body)
	if int64(number) >= int64(len(f.interfaces)) {
		return f.failed(fmt.Sprintf("statistics of interface %d, of which the section has %d", number, len(f.interfaces)))
	}
	i := &f.interfaces[number]
	at := func(b []byte) time.Time {
		return timeOf(uint64(f.order.Uint32(b))<<32|uint64(f.order.Uint32(b[4:])), i.perSecond, i.shift)
	}
	s := Statistics{Interface: int(number), Time: at(body[4:])}
	err := f.options(body[12:], func(code int, v []byte) {
		switch {
		case code == optComment:
			s.Comments = append(s.Comments, string(v))
		case len(v) != 8:
		case code == statisticsStart:
			s.Start = at(v)
		case code == statisticsEnd:
			s.End = at(v)
		case code == statisticsReceived:
			s.Received = f.order.Uint64(v)
		case code == statisticsDropped:
			s.Dropped = f.order.Uint64(v)
		case code == statisticsDelivered:
			s.Delivered = f.order.Uint64(v)
		}
	})
	if err == nil && f.OnStatistics != nil {
		f.OnStatistics(&s)
	}
	return err
}

func (f *Reader) readSecrets(body []byte) error {
	if len(body) < 8 {
		return f.failed("a block of secrets that is too short")
	}
	n := f.order.Uint32(body[4:])
	if int64(n) > int64(len(body)-8) {
		return f.failed(fmt.Sprintf("secrets of %d bytes in a block with room for %d", n, len(body)-8))
	}
	if f.OnSecrets != nil {
		f.OnSecrets(SecretType(f.order.Uint32(body)), body[8:8+n])
	}
	return nil
}

// options calls each for every option of a block.
func (f *Reader) options(b []byte, each func(code int, value []byte)) error {
	return f.items(b, "an option", each)
}

// items goes through what has a code, a length and as many bytes, padded to a multiple of
// four; code 0 ends it, as the end of the block does.
func (f *Reader) items(b []byte, what string, each func(code int, value []byte)) error {
	for len(b) >= 4 {
		code, n := int(f.order.Uint16(b)), int(f.order.Uint16(b[2:]))
		if code == optEnd {
			return nil
		}
		if b = b[4:]; n > len(b) {
			return f.failed(fmt.Sprintf("%s of %d bytes in a block with room for %d", what, n, len(b)))
		}
		each(code, b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil
}
