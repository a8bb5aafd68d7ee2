package pcapng

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// A Writer writes one section. Times have nanoseconds, and numbers are little-endian.
// After an error of the writer beneath it writes no more, and answers every call with
// that error.
type Writer struct {
	w          io.Writer
	block      []byte // the one being made, used again
	err        error
	interfaces int
	written    int64
}

// NewWriter begins a file, or a further section, in w.
func NewWriter(w io.Writer, s Section) (*Writer, error) {
	f := &Writer{w: w, block: make([]byte, 0, 1<<10)}
	f.begin(SectionHeader)
	f.uint32(byteOrder)
	f.uint16(majorVersion)
	f.uint16(minorVersion)
	f.uint64(^uint64(0)) // of unknown length: it is written as it comes
	f.comments(s.Comments)
	f.text(sectionHardware, s.Hardware)
	f.text(sectionOS, s.OS)
	f.text(sectionApplication, s.Application)
	return f, f.end(true)
}

// Written is the number of bytes that were handed to the writer beneath and taken by
// it.
func (f *Writer) Written() int64 { return f.written }

// Err is the first error of the writer beneath.
func (f *Writer) Err() error { return f.err }

// Interface adds an interface, and returns the number by which packets name it: 0 for the
// first.
func (f *Writer) Interface(i Interface) (int, error) {
	f.begin(InterfaceBlock)
	f.uint16(uint16(i.LinkType))
	f.uint16(0)
	f.uint32(i.SnapLen)
	f.comments(i.Comments)
	f.text(interfaceName, i.Name)
	f.text(interfaceDescription, i.Description)
	f.text(interfaceOS, i.OS)
	f.text(interfaceHardware, i.Hardware)
	if i.Filter != "" {
		f.text(interfaceFilter, "\x00"+i.Filter) // 0: text, as libpcap has it
	}
	f.option(interfaceResolution, 1)
	f.block = append(f.block, 9, 0, 0, 0) // powers of ten: nanoseconds; three of padding
	n := f.interfaces
	f.interfaces++
	return n, f.end(true)
}

// Packet writes a packet. The longest block that is still read elsewhere is 16 MiB;
// what is longer than that is refused.
func (f *Writer) Packet(p *Packet) error {
	kept := len(p.Header) + len(p.Data)
	if kept > MaxPacket {
		return fmt.Errorf("pcapng: a packet of %d bytes: at most %d can be written", kept, MaxPacket)
	}
	if p.Interface < 0 || p.Interface >= f.interfaces {
		return fmt.Errorf("pcapng: a packet of interface %d, of which there are %d", p.Interface, f.interfaces)
	}
	f.begin(EnhancedPacketBlock)
	f.uint32(uint32(p.Interface))
	f.time(p.Time)
	f.uint32(uint32(kept))
	f.uint32(uint32(max(kept, p.Length)))
	f.block = append(f.block, p.Header...)
	f.block = append(f.block, p.Data...)
	f.pad()
	before := len(f.block)
	if p.Direction != DirectionUnknown {
		f.option(packetFlags, 4)
		f.uint32(uint32(p.Direction))
	}
	f.number(packetDropped, p.Dropped)
	f.number(packetID, p.ID)
	if p.Process != 0 {
		f.option(packetProcess, 8)
		f.uint32(p.Process)
		f.uint32(0)
	}
	f.comments(p.Comments)
	return f.end(len(f.block) > before)
}

// MaxPacket is the longest packet that a Writer writes, and its reader reads: Wireshark
// takes blocks of up to 16 MiB.
const MaxPacket = 16<<20 - 1<<16

// Names writes what addresses are called.
func (f *Writer) Names(names []Name) error {
	f.begin(NameResolution)
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
		f.option(kind, size)
		f.block = append(f.block, n.Addr.AsSlice()...)
		for _, name := range n.Names {
			f.block = append(append(f.block, name...), 0)
		}
		f.pad()
	}
	f.uint32(recordEnd)
	return f.end(false)
}

// Secrets writes secrets. What they decrypt must come after them: readers that go
// through a file once decrypt nothing else.
func (f *Writer) Secrets(t SecretType, secrets []byte) error {
	f.begin(DecryptionSecrets)
	f.uint32(uint32(t))
	f.uint32(uint32(len(secrets)))
	f.block = append(f.block, secrets...)
	f.pad()
	return f.end(false)
}

// Statistics writes what was counted at an interface.
func (f *Writer) Statistics(s *Statistics) error {
	f.begin(InterfaceStatistics)
	f.uint32(uint32(s.Interface))
	f.time(s.Time)
	f.comments(s.Comments)
	for _, o := range [...]struct {
		code int
		t    time.Time
	}{{statisticsStart, s.Start}, {statisticsEnd, s.End}} {
		if !o.t.IsZero() {
			f.option(o.code, 8)
			f.time(o.t)
		}
	}
	for _, o := range [...]struct {
		code int
		n    uint64
	}{{statisticsReceived, s.Received}, {statisticsDropped, s.Dropped}, {statisticsDelivered, s.Delivered}} {
		f.option(o.code, 8) // 0 is told too: that nothing was lost is worth knowing
		f.uint64(o.n)
	}
	return f.end(true)
}

// maxOption is the longest value of an option, whose length has 16 bits.
const maxOption = 1<<16 - 1

func (f *Writer) uint16(v uint16) { f.block = binary.LittleEndian.AppendUint16(f.block, v) }
func (f *Writer) uint32(v uint32) { f.block = binary.LittleEndian.AppendUint32(f.block, v) }
func (f *Writer) uint64(v uint64) { f.block = binary.LittleEndian.AppendUint64(f.block, v) }

// time appends a time in nanoseconds since 1970, its high half first.
func (f *Writer) time(t time.Time) {
	ns := uint64(t.UnixNano())
	f.uint32(uint32(ns >> 32))
	f.uint32(uint32(ns))
}

// begin begins a block, in the memory of the one before.
func (f *Writer) begin(t BlockType) {
	f.block = f.block[:0]
	f.uint32(uint32(t))
	f.uint32(0) // its length, which end puts there
}

// pad fills the block up to a multiple of 4 bytes.
func (f *Writer) pad() {
	for len(f.block)%4 != 0 {
		f.block = append(f.block, 0)
	}
}

func (f *Writer) option(code, size int) {
	f.uint16(uint16(code))
	f.uint16(uint16(size))
}

// text appends an option that is text; the empty one is left out.
func (f *Writer) text(code int, s string) {
	if s == "" {
		return
	}
	s = s[:min(len(s), maxOption)]
	f.option(code, len(s))
	f.block = append(f.block, s...)
	f.pad()
}

func (f *Writer) comments(comments []string) {
	for _, c := range comments {
		f.text(optComment, c)
	}
}

// number appends an option of 8 bytes; 0 is left out.
func (f *Writer) number(code int, v uint64) {
	if v != 0 {
		f.option(code, 8)
		f.uint64(v)
	}
}

// end ends the options where the block has any, puts the block between its two lengths,
// and writes it.
func (f *Writer) end(options bool) error {
	if options {
		f.uint32(optEnd)
	}
	n := uint32(len(f.block) + 4)
	binary.LittleEndian.PutUint32(f.block[4:], n)
	f.uint32(n)
	if f.err == nil {
		var taken int
		taken, f.err = f.w.Write(f.block)
		f.written += int64(taken)
	}
	return f.err
}
