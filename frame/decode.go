package frame

import "encoding/binary"

// maxDigits is the longest length of a netstring, so that it fits 64 bits.
const maxDigits = 19

// prefix reads what stands before a message of f, a format other than lines and
// chunk, at the start of b. It answers how many bytes the prefix takes and how
// many the message; n is -1 when b holds too little to tell, and flaw is not empty
// when no byte to come could make it right.
func (f Format) prefix(b []byte) (n int, size uint64, flaw string) {
	switch f.Kind {
	case Fixed:
		return 0, uint64(f.Size), ""
	case Len16:
		if len(b) >= 2 {
			return 2, uint64(binary.BigEndian.Uint16(b)), ""
		}
	case Len32:
		if len(b) >= 4 {
			return 4, uint64(binary.BigEndian.Uint32(b)), ""
		}
	case Varint:
		return varint(b)
	case Netstring:
		return netstring(b)
	}
	return -1, 0, ""
}

func varint(b []byte) (n int, size uint64, flaw string) {
	for i, c := range b {
		switch {
		case i == 9 && c > 1:
			return 0, 0, "its length exceeds 64 bits"
		case c == 0 && i > 0:
			return 0, 0, "its length is not in the shortest form"
		}
		size |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return i + 1, size, ""
		}
	}
	return -1, 0, ""
}

func netstring(b []byte) (n int, size uint64, flaw string) {
	for i, c := range b {
		switch {
		case c == ':' && i > 0:
			return i + 1, size, ""
		case c < '0' || c > '9':
			return 0, 0, "its length must be decimal digits and ':'"
		case i == 1 && b[0] == '0':
			return 0, 0, "its length has a leading zero"
		case i == maxDigits:
			return 0, 0, "its length has more than 19 digits"
		}
		size = size*10 + uint64(c-'0')
	}
	return -1, 0, ""
}
