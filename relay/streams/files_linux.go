package streams

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
	"zocalo/relay/outcome"
)

// ErrFiles is the error of a stream over which descriptors came that were not to.
const ErrFiles = unix.EBADMSG

// readFiles is recvmsg(2) from a unix stream. It returns the descriptors that
// go on; where there was ancillary data of any kind they are not nil. It may
// end the Conn.
func (s *side) readFiles(b []byte) (n int, files []int, errno syscall.Errno) {
	w := s.conn.w
	if w.control == nil {
		w.control = make([]byte, unix.CmsgSpace(4*pass.MaxFiles)+unix.CmsgSpace(unix.SizeofUcred)+256)
	}
	m := &w.message
	m.SetBuffer(b)
	m.Control = w.control
	n, errno = sys.RawRecvmsg(int(s.fd), m, unix.MSG_CMSG_CLOEXEC)
	if errno != 0 || len(m.Control) == 0 {
		return n, nil, errno
	}
	files = filesIn(m.Control)
	// MSG_CTRUNC says that some got lost, as where descriptors are out.
	lost := m.Flags&unix.MSG_CTRUNC != 0
	switch policy := w.group.Files; {
	case policy == pass.PassFiles && s.far.kind == Unix && !lost:
		return n, files, 0
	case len(files) == 0 && !lost:
		return n, files, 0 // other ancillary data, which does not pass
	case policy == pass.CloseFiles:
		s.passed.FilesRefused++
		closeAll(files)
		return n, files[:0], 0
	default:
		s.passed.FilesRefused++
		closeAll(files)
		s.conn.End(outcome.Failed, s.index(), "recvmsg", ErrFiles)
		return 0, nil, 0
	}
}

// filesIn returns the descriptors that came as ancillary data, never nil.
func filesIn(control []byte) []int {
	files := []int{}
	for {
		c, rest, ok := sys.NextCmsg(control)
		if !ok {
			return files
		}
		if c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_RIGHTS {
			for data := c.Data; len(data) >= 4; data = data[4:] {
				files = append(files, int(int32(binary.NativeEndian.Uint32(data))))
			}
		}
		control = rest
	}
}

// sendFiles is sendmsg(2) of bytes and the descriptors that go with the first
// of them.
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
	if n, errno = sys.RawSendmsg(int(s.far.fd), m, flags); errno == 0 {
		s.passed.Files += uint32(len(files))
	}
	return n, errno
}
