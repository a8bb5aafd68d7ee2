package loop

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// maxFiles is the most descriptors that come with one read: SCM_MAX_FD.
const maxFiles = 253

// readFiles is recvmsg(2) from a unix stream. Descriptors that come with it
// are returned if the far side is to have them, else closed and counted.
func (s *side) readFiles(b []byte) (n int, files []int, errno syscall.Errno) {
	w := s.conn.w
	if w.control == nil {
		w.control = make([]byte, unix.CmsgSpace(4*maxFiles)+unix.CmsgSpace(unix.SizeofUcred)+256)
	}
	m := &w.message
	m.SetBuffer(b)
	m.Control = w.control
	n, errno = sys.RawRecvmsg(int(s.fd), m, unix.MSG_CMSG_CLOEXEC)
	if errno != 0 || len(m.Control) == 0 {
		return n, nil, errno
	}
	lost := m.Flags&unix.MSG_CTRUNC != 0 // as where descriptors are out
	files = []int{}
	for control := m.Control; ; {
		c, rest, ok := sys.NextCmsg(control)
		if !ok {
			break
		}
		if c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_RIGHTS {
			for data := c.Data; len(data) >= 4; data = data[4:] {
				files = append(files, int(int32(binary.NativeEndian.Uint32(data))))
			}
		}
		control = rest
	}
	pass := w.group.PassFiles && s.far.kind == Unix
	if lost || len(files) > 0 && !pass {
		s.passed.FilesRefused++
		w.group.Service.FilesRefused(s.conn, s.index(), pass)
	}
	if !pass {
		closeAll(files)
		files = files[:0]
	}
	return n, files, 0
}

// sendFiles is sendmsg(2) of octets and the descriptors that go with the first
// of them. It closes ours once they went.
func (s *side) sendFiles(b []byte, flags int, files []int) (n int, errno syscall.Errno) {
	if len(files) == 0 {
		return sys.RawSend(int(s.far.fd), b, flags)
	}
	w := s.conn.w
	data := make([]byte, 0, 4*len(files))
	for _, fd := range files {
		data = binary.NativeEndian.AppendUint32(data, uint32(fd))
	}
	m := &w.message
	m.Name.Len = 0
	m.SetBuffer(b)
	m.Control = sys.AppendCmsg(nil, unix.SOL_SOCKET, unix.SCM_RIGHTS, data)
	return sys.RawSendmsg(int(s.far.fd), m, flags)
}
