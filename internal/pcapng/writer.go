package pcapng

import (
	"fmt"
	"io"
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
	b := begin(f.block, SectionHeader)
	b.uint32(byteOrder)
	b.uint16(majorVersion)
	b.uint16(minorVersion)
	b.uint64(^uint64(0)) // of unknown length: it is written as it comes
	b.comments(s.Comments)
	b.text(sectionHardware, s.Hardware)
	b.text(sectionOS, s.OS)
	b.text(sectionApplication, s.Application)
	return f, f.write(b.end(true))
}

// Written is the number of bytes that were handed to the writer beneath and taken by
// it.
func (f *Writer) Written() int64 { return f.written }

// Err is the first error of the writer beneath.
func (f *Writer) Err() error { return f.err }

// Interface adds an interface, and returns the number by which packets name it: 0 for the
// first.
func (f *Writer) Interface(i Interface) (int, error) {
	n := f.interfaces
	f.interfaces++
	return n, f.write(AppendInterface(f.block[:0], i))
}

// Packet writes a packet. What is longer than MaxPacket is refused.
func (f *Writer) Packet(p *Packet) error {
	kept := len(p.Header) + len(p.Data)
	if kept > MaxPacket {
		return fmt.Errorf("pcapng: a packet of %d bytes: at most %d can be written", kept, MaxPacket)
	}
	if p.Interface < 0 || p.Interface >= f.interfaces {
		return fmt.Errorf("pcapng: a packet of interface %d, of which there are %d", p.Interface, f.interfaces)
	}
	return f.write(AppendPacket(f.block[:0], p))
}

// Names writes what addresses are called.
func (f *Writer) Names(names []Name) error { return f.write(AppendNames(f.block[:0], names)) }

// Secrets writes secrets. What they decrypt must come after them: readers that go
// through a file once decrypt nothing else.
func (f *Writer) Secrets(t SecretType, secrets []byte) error {
	return f.write(AppendSecrets(f.block[:0], t, secrets))
}

// Statistics writes what was counted at an interface.
func (f *Writer) Statistics(s *Statistics) error {
	return f.write(AppendStatistics(f.block[:0], s))
}

func (f *Writer) write(block []byte) error {
	f.block = block[:0]
	if f.err == nil {
		var taken int
		taken, f.err = f.w.Write(block)
		f.written += int64(taken)
	}
	return f.err
}
