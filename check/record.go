package check

import (
	"encoding/binary"
	"hash/crc32"
)

// A record is a numbered message that tells whether it arrived as it was sent.
// In front is a header of four numbers, big-endian: a constant, the record's
// number, the size of the whole, and a check sum of those three; at the end a
// check sum of what comes before. Between them are bytes made from the number.
const (
	recordMagic    = 0x5a6f63a1
	recordHeader   = 16
	smallestRecord = recordHeader + 4
	largestRecord  = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fillRecord makes b, of smallestRecord bytes or more, the record of that
// number.
func fillRecord(b []byte, number uint32) {
	binary.BigEndian.PutUint32(b[0:], recordMagic)
	binary.BigEndian.PutUint32(b[4:], number)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)))
	binary.BigEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
	end := len(b) - 4
	x := uint64(number)
	for i := recordHeader; i < end; i++ {
		if i%8 == 0 {
			x = x*6364136223846793005 + 1442695040888963407 // Knuth's, of MMIX
		}
		b[i] = byte(x >> (8 * (i % 8)))
	}
	binary.BigEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
}

// What a record looks like from its first byte on.
type shape int

const (
	noRecord shape = iota // no record begins here
	partial               // one may, and its end is missing
	damaged               // one does, and its content is not as it was sent
	whole
)

// readRecord looks at what begins at b. The number and size are those of the
// header, and 0 where there is none.
func readRecord(b []byte) (number uint32, size int, s shape) {
	if len(b) < recordHeader {
		if len(b) >= 4 && binary.BigEndian.Uint32(b) != recordMagic {
			return 0, 0, noRecord
		}
		return 0, 0, partial
	}
	number, size = binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint32(b[8:]))
	switch {
	case binary.BigEndian.Uint32(b) != recordMagic,
		binary.BigEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli),
		size < smallestRecord, size > largestRecord:
		return 0, 0, noRecord
	case len(b) < size:
		return number, size, partial
	case binary.BigEndian.Uint32(b[size-4:]) != crc32.Checksum(b[:size-4], castagnoli):
		return number, size, damaged
	}
	return number, size, whole
}
