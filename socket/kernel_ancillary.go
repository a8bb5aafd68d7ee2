package socket

import (
	"time"

	"zocalo/internal/sys"
)

// closePassed closes a descriptor that came with a message. It is a variable
// for the tests of parse, whose descriptors are not ours.
var closePassed = sys.Close

// parse fills in what came with a message. It reports whether descriptors
// came that WantFiles did not ask for; those are closed. The segment is that of
// a train, 0 where there is none.
func (a *Ancillary) parse(control []byte) (segment int, refused bool) {
	a.Present = 0
	a.Files = a.Files[:0]
	a.Control = a.Control[:0]
	if len(control) == 0 {
		return 0, false
	}
	// What is kept of it must outlive the socket's own memory.
	a.memory = append(a.memory[:0], control...)
	for c, rest, ok := sys.NextCmsg(a.memory); ok; c, rest, ok = sys.NextCmsg(rest) {
		switch {
		case sys.IsFiles(c):
			for _, fd := range sys.Files(c) {
				if len(a.Files) < a.WantFiles {
					a.Files = append(a.Files, fd)
					a.Present |= HasFiles
					continue
				}
				closePassed(fd)
				refused = true
			}
		case sys.IsCredentials(c):
			if pid, uid, gid, ok := sys.CmsgCredentials(c); ok {
				a.Credentials = Credentials{pid, uid, gid}
				a.Present |= HasCredentials
			}
		case sys.IsTime(c):
			if sec, nsec, ok := sys.CmsgTime(c); ok {
				a.Time = time.Unix(sec, nsec)
				a.Present |= HasTime
			}
		case sys.IsSegmentSize(c):
			segment = sys.SegmentSize(c)
		default:
			a.Control = append(a.Control, Control{c.Level, c.Type, c.Data})
			a.Present |= HasControl
		}
	}
	return segment, refused
}

// closeFiles closes the descriptors that came with a message that was read
// without asking for them.
func closeFiles(control []byte) {
	for c, rest, ok := sys.NextCmsg(control); ok; c, rest, ok = sys.NextCmsg(rest) {
		if sys.IsFiles(c) {
			for _, fd := range sys.Files(c) {
				closePassed(fd)
			}
		}
	}
}

// appendControl appends what is to go with a message, as cmsg(3) lays it out.
func (k *kernel) appendControl(b []byte, a *Ancillary) ([]byte, error) {
	if a.Present == 0 {
		return b, nil
	}
	if a.Present&HasTime != 0 {
		return b, &UnsupportedError{Feature: "sending a time with a message", Needs: "nothing: the receiver's system notes it"}
	}
	if a.Present&HasFiles != 0 {
		b = sys.AppendFiles(b, a.Files)
	}
	if a.Present&HasCredentials != 0 {
		var err error
		if b, err = sys.AppendCredentials(b, a.Credentials.PID, a.Credentials.UID, a.Credentials.GID); err != nil {
			return b, &UnsupportedError{Feature: "sending credentials", Needs: "Linux"}
		}
	}
	if a.Present&HasControl != 0 {
		for _, c := range a.Control {
			b = sys.AppendCmsg(b, c.Level, c.Type, c.Data)
		}
	}
	return b, nil
}
