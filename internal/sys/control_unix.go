//go:build unix

package sys

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NextCmsg takes the first item from control and returns what follows it. A
// malformed rest gives ok false.
func NextCmsg(control []byte) (c Cmsg, rest []byte, ok bool) {
	header := unix.CmsgLen(0) // with what pads it, which comes before the data
	if len(control) < header {
		return Cmsg{}, nil, false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	size := int(h.Len)
	if size < header || size > len(control) {
		return Cmsg{}, nil, false
	}
	c = Cmsg{int(h.Level), int(h.Type), control[header:size]}
	return c, control[min(unix.CmsgSpace(len(c.Data)), len(control)):], true
}

// AppendCmsg appends an item to control.
func AppendCmsg(control []byte, level, typ int, data []byte) []byte {
	start := len(control)
	control = appendCmsgSpace(control, level, typ, len(data))
	copy(control[start+unix.CmsgLen(0):], data)
	return control
}

// appendCmsgSpace appends an item with room for n bytes of data, which are
// zero.
func appendCmsgSpace(control []byte, level, typ, n int) []byte {
	start := len(control)
	space := unix.CmsgSpace(n)
	control = slices.Grow(control, space)[:start+space]
	clear(control[start:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[start]))
	h.Level, h.Type = int32(level), int32(typ)
	h.SetLen(unix.CmsgLen(n))
	return control
}
