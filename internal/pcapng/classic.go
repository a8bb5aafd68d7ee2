package pcapng

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The sizes of what is in a classic pcap file (draft-ietf-opsawg-pcap), in bytes.
const (
	classicHeader = 24
	classicRecord = 16
)

// beginClassic reads the header of a classic file.
func (f *Reader) beginClassic(order binary.ByteOrder, perSecond uint64) error {
	f.order, f.perSecond, f.next = order, perSecond, f.nextRecord
	if err := f.take(classicHeader, "its header"); err != nil {
		return err
	}
	if major := order.Uint16(f.block[4:]); major != 2 {
		return f.failed(fmt.Sprintf("version %d of pcap: only version 2 is known", major))
	}
	i := seen{perSecond: perSecond}
	i.LinkType = LinkType(order.Uint32(f.block[20:])) // its upper half tells of check sequences
	i.SnapLen = order.Uint32(f.block[16:])
	f.interfaces = append(f.interfaces, i)
	return nil
}

// nextRecord reads a packet of a classic file.
func (f *Reader) nextRecord() (*Packet, error) {
	f.at = f.offset
	head, err := f.r.Peek(classicRecord)
	switch {
	case errors.Is(err, io.EOF) && len(head) == 0:
		return nil, io.EOF
	case errors.Is(err, io.EOF):
		return nil, f.cut("the header of a packet")
	case err != nil:
		return nil, err
	}
	seconds, fraction := f.order.Uint32(head), f.order.Uint32(head[4:])
	kept, length := f.order.Uint32(head[8:]), f.order.Uint32(head[12:])
	if kept > maxBlock {
		return nil, f.failed(fmt.Sprintf("a packet of %d bytes: at most %d are read", kept, maxBlock))
	}
	n := classicRecord + int(kept)
	if err := f.take(n, fmt.Sprintf("a packet of %d bytes", kept)); err != nil {
		return nil, err
	}
	f.packet = Packet{
		Time:   timeOf(uint64(seconds)*f.perSecond+uint64(fraction), f.perSecond, 0),
		Data:   f.block[classicRecord:n],
		Length: int(max(length, kept)),
	}
	return &f.packet, nil
}
