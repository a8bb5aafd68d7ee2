package socket

import (
	"fmt"
	"syscall"
	"time"

	"zocalo/internal/sys"
)

// closePassed closes a descriptor that came with a message. It is a variable
// for the tests of parse, whose descriptors are not ours.
var closePassed = sys.Close

// parse fills in what came with a message. It reports whether descriptors
// came that WantFiles did not ask for; those are closed.
func (a *Ancillary) parse(control []byte) (refused bool) {
	a.empty()
	if len(control) == 0 {
		return false
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
		default:
			a.Control = append(a.Control, Control{c.Level, c.Type, c.Data})
			a.Present |= HasControl
		}
	}
	return refused
}

// empty makes a say that nothing came.
func (a *Ancillary) empty() {
	a.Present = 0
	a.Files = a.Files[:0]
	a.Control = a.Control[:0]
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

// refuseAncillary refuses what the system would take, and drop in silence.
func (k *kernel) refuseAncillary(m *Message) error {
	const passed = HasFiles | HasCredentials
	switch a := &m.Ancillary; {
	case a.Present&passed == 0:
		return nil
	case k.kind.Domain != Unix:
		return &UnsupportedError{Feature: "passing descriptors or credentials", Needs: "a unix socket"}
	case a.Present&HasFiles != 0 && len(a.Files) > maxFiles:
		return &Advised{fmt.Errorf("%d descriptors with one message: %w", len(a.Files), syscall.EMSGSIZE),
			fmt.Sprintf("at most %d go with one", maxFiles)}
	case !k.kind.Type.Bounded() && m.length() == 0:
		return &Advised{fmt.Errorf("descriptors or credentials without data on a stream: %w", syscall.EINVAL),
			"send them with at least one octet"}
	}
	return nil
}

// appendControl appends what is to go with a message, as cmsg(3) lays it out.
func (a *Ancillary) appendControl(b []byte) ([]byte, error) {
	if a.Present == 0 {
		return b, nil
	}
	if a.Present&HasTime != 0 {
		return b, &UnsupportedError{Feature: "sending a time with a message", Needs: "Present without HasTime: the receiver's system notes the time"}
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
