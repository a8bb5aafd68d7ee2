package sys

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// IsCredentials reports whether the item is SCM_CREDENTIALS.
func IsCredentials(c Cmsg) bool {
	return c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_CREDENTIALS
}

// CmsgCredentials returns the parts of an SCM_CREDENTIALS item.
func CmsgCredentials(c Cmsg) (pid, uid, gid int, ok bool) {
	if len(c.Data) < unix.SizeofUcred {
		return 0, 0, 0, false
	}
	word := func(i int) int { return int(int32(binary.NativeEndian.Uint32(c.Data[4*i:]))) }
	return word(0), word(1), word(2), true
}

// AppendCredentials appends an SCM_CREDENTIALS item.
func AppendCredentials(control []byte, pid, uid, gid int) ([]byte, error) {
	start := len(control)
	control = appendCmsgSpace(control, unix.SOL_SOCKET, unix.SCM_CREDENTIALS, unix.SizeofUcred)
	data := control[start+unix.CmsgLen(0):]
	for i, v := range [...]int{pid, uid, gid} {
		binary.NativeEndian.PutUint32(data[4*i:], uint32(v))
	}
	return control, nil
}

// IsTime reports whether the item is SCM_TIMESTAMPNS.
func IsTime(c Cmsg) bool { return c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_TIMESTAMPNS }

// CmsgTime returns the parts of an SCM_TIMESTAMPNS item, on the systems
// whose time has 64 bits.
func CmsgTime(c Cmsg) (sec, nsec int64, ok bool) {
	if len(c.Data) < 16 {
		return 0, 0, false
	}
	return int64(binary.NativeEndian.Uint64(c.Data)), int64(binary.NativeEndian.Uint64(c.Data[8:])), true
}
