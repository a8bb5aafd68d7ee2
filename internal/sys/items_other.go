//go:build !linux

package sys

// ErrorQueue and ZeroCopy are 0: these systems have neither. So is
// FilesCloseOnExec, which Recvmsg sees to.
const (
	FilesCloseOnExec = 0
	ErrorQueue       = 0
	ZeroCopy         = 0
)

// What tells what an item is: descriptors, or what these systems alone know.
func What(c Cmsg) Item {
	if IsFiles(c) {
		return FilesItem
	}
	return OtherItem
}

// CmsgCredentials has none to return.
func CmsgCredentials(Cmsg) (pid, uid, gid int, ok bool) { return 0, 0, 0, false }

// What follows appends nothing: package socket refuses it first.

// AppendCredentials is Linux's.
func AppendCredentials(control []byte, _, _, _ int) []byte { return control }

// AppendPacketInfo is Linux's.
func AppendPacketInfo(control []byte, _ int, _ [4]byte) []byte { return control }

// AppendPacketInfo6 is Linux's.
func AppendPacketInfo6(control []byte, _ int, _ [16]byte) []byte { return control }

// AppendHopLimit is Linux's.
func AppendHopLimit(control []byte, _ int, _ bool) []byte { return control }

// AppendTrafficClass is Linux's.
func AppendTrafficClass(control []byte, _ int, _ bool) []byte { return control }
