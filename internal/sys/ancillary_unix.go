//go:build unix

package sys

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// IsFiles reports whether the item carries descriptors: SCM_RIGHTS.
func IsFiles(c Cmsg) bool { return c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_RIGHTS }

// Files iterates over the descriptors of an SCM_RIGHTS item.
func Files(c Cmsg) func(yield func(int, int) bool) {
	return func(yield func(int, int) bool) {
		for i := 0; i+4 <= len(c.Data); i += 4 {
			if !yield(i/4, int(int32(binary.NativeEndian.Uint32(c.Data[i:])))) {
				return
			}
		}
	}
}

// FilesSpace is the bytes of control that n descriptors take.
func FilesSpace(n int) int {
	if n <= 0 {
		return 0
	}
	return unix.CmsgSpace(4 * n)
}

// AppendFiles appends an SCM_RIGHTS item.
func AppendFiles(control []byte, files []int) []byte {
	start := len(control)
	control = appendCmsgSpace(control, unix.SOL_SOCKET, unix.SCM_RIGHTS, 4*len(files))
	data := control[start+unix.CmsgLen(0):]
	for i, fd := range files {
		binary.NativeEndian.PutUint32(data[4*i:], uint32(fd))
	}
	return control
}
