package socket

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
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
	a.empty()
	if len(control) == 0 {
		return 0, false
	}
	// What is kept of it must outlive the socket's own memory.
	a.memory = append(a.memory[:0], control...)
	for c, rest, ok := sys.NextCmsg(a.memory); ok; c, rest, ok = sys.NextCmsg(rest) {
		switch what := sys.What(c); what {
		case sys.FilesItem:
			for _, fd := range sys.Files(c) {
				if len(a.Files) < a.WantFiles {
					a.Files = append(a.Files, fd)
					a.untaken = append(a.untaken, fd)
					a.Present |= HasFiles
					continue
				}
				closePassed(fd)
				refused = true
			}
		case sys.SegmentItem:
			segment, _ = sys.CmsgInt(c)
		default:
			if !a.parseItem(what, c) {
				a.Control = append(a.Control, Control{c.Level, c.Type, c.Data})
				a.Present |= HasControl
			}
		}
	}
	return segment, refused
}

// parseItem fills in the field of an item, and reports whether there is one.
func (a *Ancillary) parseItem(what sys.Item, c sys.Cmsg) (ok bool) {
	switch what {
	case sys.CredentialsItem:
		if a.Credentials.PID, a.Credentials.UID, a.Credentials.GID, ok = sys.CmsgCredentials(c); ok {
			a.Present |= HasCredentials
		}
	case sys.PIDFDItem:
		if a.PIDFD, ok = sys.CmsgInt(c); ok {
			a.Present |= HasPIDFD
			if a.PIDFD >= 0 {
				a.untaken = append(a.untaken, a.PIDFD)
			}
		}
	case sys.TimeItem, sys.TimesItem:
		if sec, nsec, taken := sys.CmsgTime(c, 0); taken {
			a.Time, ok = time.Unix(sec, nsec), true
			a.Present |= HasTime
		}
		if sec, nsec, taken := sys.CmsgTime(c, 2); taken && what == sys.TimesItem {
			a.HardwareTime, ok = time.Unix(sec, nsec), true
			a.Present |= HasHardwareTime
		}
	case sys.PacketInfoItem:
		var local, destination []byte
		if a.PacketInfo.Interface, local, destination, ok = sys.PacketInfo(c); ok {
			a.PacketInfo.Local, a.PacketInfo.Destination = netip.AddrFrom4([4]byte(local)), netip.AddrFrom4([4]byte(destination))
			a.Present |= HasPacketInfo
		}
	case sys.PacketInfo6Item:
		var address []byte
		if a.PacketInfo.Interface, address, ok = sys.PacketInfo6(c); ok {
			a.PacketInfo.Destination = netip.AddrFrom16([16]byte(address))
			if a.PacketInfo.Local = a.PacketInfo.Destination; a.PacketInfo.Local.IsMulticast() {
				a.PacketInfo.Local = netip.Addr{}
			}
			a.Present |= HasPacketInfo
		}
	case sys.HopLimitItem:
		if a.HopLimit, ok = sys.CmsgInt(c); ok {
			a.Present |= HasHopLimit
		}
	case sys.TrafficClassItem:
		if a.TrafficClass, ok = sys.CmsgInt(c); ok {
			a.Present |= HasTrafficClass
		}
	case sys.DroppedItem:
		var n int
		if n, ok = sys.CmsgInt(c); ok {
			a.Dropped = uint32(n)
			a.Present |= HasDropped
		}
	case sys.DestinationItem:
		var address sys.Sockaddr
		sys.CmsgAddress(c, &address)
		a.OriginalDestination.setSockaddr(&address)
		a.Present |= HasOriginalDestination
		ok = true
	case sys.ExtendedErrorItem:
		var offender sys.Sockaddr
		var e sys.ExtendedError
		if e, ok = sys.CmsgError(c, &offender); ok {
			a.Error = QueuedError{Errno: syscall.Errno(e.Errno), Origin: ErrorOrigin(e.Origin), Type: e.Type, Code: e.Code, Info: e.Info, Data: e.Data}
			a.Error.Offender.setSockaddr(&offender)
			a.Present |= HasError
		}
	}
	return ok
}

// closeUntaken closes the descriptors of the last message that nobody took.
func (a *Ancillary) closeUntaken() {
	for _, fd := range a.untaken {
		closePassed(fd)
	}
	a.untaken = a.untaken[:0]
}

// empty makes a say that nothing came.
func (a *Ancillary) empty() {
	a.Present = 0
	a.closeUntaken()
	a.Files = a.Files[:0]
	a.Control = a.Control[:0]
}

// closeFiles closes the descriptors that came with a message that was read
// without asking for them.
func closeFiles(control []byte) {
	for c, rest, ok := sys.NextCmsg(control); ok; c, rest, ok = sys.NextCmsg(rest) {
		switch sys.What(c) {
		case sys.FilesItem:
			for _, fd := range sys.Files(c) {
				closePassed(fd)
			}
		case sys.PIDFDItem:
			if fd, ok := sys.CmsgInt(c); ok && fd >= 0 {
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
		return &HintError{fmt.Errorf("%d descriptors with one message: %w", len(a.Files), syscall.EMSGSIZE),
			fmt.Sprintf("at most %d go with one", maxFiles)}
	case !k.kind.Type.Bounded() && m.length() == 0:
		return &HintError{fmt.Errorf("descriptors or credentials without data on a stream: %w", syscall.EINVAL),
			"send them with at least one byte"}
	}
	return nil
}

// appendControl appends what is to go with a message, as cmsg(3) lays it out.
func (k *kernel) appendControl(b []byte, a *Ancillary) ([]byte, error) {
	if a.Present == 0 {
		return b, nil
	}
	if a.Present&onlyReceived != 0 {
		return b, &UnsupportedError{Feature: "sending what only the receiver's system knows, such as a time", Needs: "a message whose Present leaves it out"}
	}
	if runtime.GOOS != "linux" && a.Present&(HasCredentials|HasPacketInfo|HasHopLimit|HasTrafficClass) != 0 {
		return b, &UnsupportedError{Feature: "sending credentials, packet info, hop limit or traffic class", Needs: "Linux"}
	}
	six := k.kind.Domain == Inet6
	if a.Present&HasFiles != 0 {
		b = sys.AppendFiles(b, a.Files)
	}
	if a.Present&HasCredentials != 0 {
		b = sys.AppendCredentials(b, a.Credentials.PID, a.Credentials.UID, a.Credentials.GID)
	}
	if a.Present&HasPacketInfo != 0 {
		switch local := a.PacketInfo.Local; {
		case six:
			var source [16]byte
			if local.IsValid() {
				source = local.As16()
			}
			b = sys.AppendPacketInfo6(b, a.PacketInfo.Interface, source)
		case !local.IsValid():
			b = sys.AppendPacketInfo(b, a.PacketInfo.Interface, [4]byte{})
		case local.Unmap().Is4():
			b = sys.AppendPacketInfo(b, a.PacketInfo.Interface, local.Unmap().As4())
		default:
			return b, fmt.Errorf("packet info with the address %v on a socket of domain %v: %w", local, k.kind.Domain, syscall.EAFNOSUPPORT)
		}
	}
	if a.Present&HasHopLimit != 0 {
		b = sys.AppendHopLimit(b, a.HopLimit, six)
	}
	if a.Present&HasTrafficClass != 0 {
		b = sys.AppendTrafficClass(b, a.TrafficClass, six)
	}
	if a.Present&HasControl != 0 {
		for _, c := range a.Control {
			b = sys.AppendCmsg(b, c.Level, c.Type, c.Data)
		}
	}
	return b, nil
}

// onlyReceived are the fields that cannot be sent.
const onlyReceived = HasTime | HasHardwareTime | HasPIDFD | HasDropped | HasOriginalDestination | HasError
