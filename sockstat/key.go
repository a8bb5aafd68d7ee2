package sockstat

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// AppendKey appends bytes that stand for the column's value when sockets are
// put in order: those of two sockets compare by [bytes.Compare] as
// [Column.Compare] compares the sockets. No key is the beginning of another, so that
// keys of several columns, one after the other, order by the first that differs;
// and a key with all its bits inverted orders the other way round. To sort
// keys takes less memory than to keep the sockets.
func (c *Column) AppendKey(dst []byte, s *Socket) []byte {
	switch {
	case c.key != nil:
		return c.key(dst, s)
	case c.number != nil:
		v, known := c.number(s)
		if !known {
			return append(dst, 0)
		}
		return appendNumberKey(append(dst, 1), v)
	case c.flag != nil:
		return appendBoolKey(dst, c.flag(s))
	}
	n := len(dst)
	if dst = c.text(dst, s); bytes.IndexByte(dst[n:], 0) >= 0 {
		return appendTextKey(dst[:n], string(dst[n:]))
	}
	return append(dst, 0, 0)
}

func appendNumberKey(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }

func appendBoolKey(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// appendTextKey appends a text of any bytes, and its end: two zeros. A zero
// inside, as abstract names have, is followed by a one.
func appendTextKey(dst []byte, text string) []byte {
	for i := range len(text) {
		if dst = append(dst, text[i]); text[i] == 0 {
			dst = append(dst, 1)
		}
	}
	return append(dst, 0, 0)
}

// appendAddrKey orders addresses as netip.Addr.Compare does: none, then IPv4, then IPv6.
func appendAddrKey(dst []byte, a netip.Addr) []byte {
	bytes := a.As16()
	return appendTextKey(append(append(dst, byte(a.BitLen())), bytes[:]...), a.Zone())
}

// appendNameKey orders names by address and port, then by what other kinds have.
func appendNameKey(dst []byte, n *Name) []byte {
	dst = appendAddrKey(dst, n.Addr.Addr())
	dst = binary.BigEndian.AppendUint16(dst, n.Addr.Port())
	dst = binary.BigEndian.AppendUint32(dst, n.CID)
	dst = binary.BigEndian.AppendUint32(dst, n.Port)
	return appendTextKey(appendTextKey(appendBoolKey(dst, n.Abstract), n.Path), n.Text)
}
