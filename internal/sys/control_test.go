//go:build unix

package sys

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What AppendCmsg writes, NextCmsg reads, whatever the lengths; the length of
// a header that lies is never followed.
func TestCmsg(t *testing.T) {
	var control []byte
	for n := range 20 {
		control = AppendCmsg(control, n, -n, bytes.Repeat([]byte{byte(n)}, n))
	}
	rest := control
	for n := range 20 {
		c, after, ok := NextCmsg(rest)
		if !ok || c.Level != n || c.Type != -n || !bytes.Equal(c.Data, bytes.Repeat([]byte{byte(n)}, n)) {
			t.Fatalf("item %d: %+v, %v", n, c, ok)
		}
		rest = after
	}
	if c, _, ok := NextCmsg(rest); ok {
		t.Errorf("after the last: %+v", c)
	}

	one := AppendCmsg(nil, 1, 2, []byte{1, 2, 3, 4})
	word := int(unsafe.Sizeof(unix.Cmsghdr{}.Len))
	lie := func(length uint64) []byte {
		b := bytes.Clone(one)
		if word == 8 {
			binary.NativeEndian.PutUint64(b, length)
		} else {
			binary.NativeEndian.PutUint32(b, uint32(length))
		}
		return b
	}
	header := uint64(unix.CmsgLen(0))
	for _, c := range []struct {
		name    string
		control []byte
		ok      bool
		data    int
	}{
		{"nothing", nil, false, 0},
		{"less than a header", one[:header-1], false, 0},
		{"a length of 0", lie(0), false, 0},
		{"a length within the header", lie(header - 1), false, 0},
		{"a length of the header alone", lie(header), true, 0},
		{"without the last padding", one[:header+4], true, 4},
		{"longer than what is there", lie(uint64(len(one)) + 1), false, 0},
		{"a length that is negative", lie(1<<64 - 1), false, 0},
		{"the greatest length", lie(1<<63 - 1), false, 0},
	} {
		got, rest, ok := NextCmsg(c.control)
		if ok != c.ok || len(got.Data) != c.data || len(rest) > len(c.control) {
			t.Errorf("%s: %+v, %d bytes left, %v", c.name, got, len(rest), ok)
		}
	}
}
