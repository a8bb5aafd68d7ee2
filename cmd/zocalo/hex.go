package main

import "fmt"

// hexRow is how many bytes a row of a dump shows.
const hexRow = 16

// appendHex appends data as rows of a dump. A row begins with the mark of the
// direction and, in the next column, '!' where the data is urgent; then come
// the offset of its first byte in that direction, 16 bytes in hexadecimal,
// and the same as text, with a dot for what is not printable ASCII. Data
// without bytes, which is an empty message, has a row too.
//
//	> 00000000  48 65 6c 6c 6f 20 77 6f  72 6c 64 21 0a           |Hello world!.|
func appendHex(dst []byte, direction byte, urgent bool, offset int64, data []byte) []byte {
	mark := byte(' ')
	if urgent {
		mark = '!'
	}
	for first := true; first || len(data) > 0; first = false {
		row := data[:min(hexRow, len(data))]
		dst = append(dst, direction, mark)
		dst = fmt.Appendf(dst, "%08x ", offset)
		for i := range hexRow {
			if i%(hexRow/2) == 0 {
				dst = append(dst, ' ')
			}
			if i < len(row) {
				dst = append(dst, hexDigits[row[i]>>4], hexDigits[row[i]&15], ' ')
			} else {
				dst = append(dst, "   "...)
			}
		}
		dst = append(dst, " |"...)
		for _, c := range row {
			if c < ' ' || c > '~' {
				c = '.'
			}
			dst = append(dst, c)
		}
		dst = append(dst, "|\n"...)
		data, offset = data[len(row):], offset+int64(len(row))
	}
	return dst
}
