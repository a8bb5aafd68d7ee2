//go:build darwin || freebsd || netbsd || openbsd

package sys

import "golang.org/x/sys/unix"

const (
	afInet   = unix.AF_INET
	afInet6  = unix.AF_INET6
	afUnix   = unix.AF_UNIX
	afVSock  = 40 // Linux's number: there is none like it
	afPacket = 17 // nor this

	abstractNames = false
)

// linuxInet6 is AF_INET6 under Linux's number, which package socket uses.
const linuxInet6 = 10

// header writes the length and the family, a byte each on BSD systems.
func (a *Sockaddr) header(family, length int) {
	a.Buf[0], a.Buf[1] = byte(length), byte(family)
	a.Len = uint32(length)
}

// Family returns the address's family under Linux's AF_ number, 0 for none.
func (a *Sockaddr) Family() int {
	if a.Len < 2 {
		return 0
	}
	if f := int(a.Buf[1]); f != afInet6 {
		return f
	}
	return linuxInet6
}

// systemFamily is the inverse of Family's change of numbers.
func systemFamily(domain int) int {
	switch domain {
	case linuxInet6:
		return afInet6
	case afVSock:
		return -1 // which the system refuses: its own 40 is something else
	}
	return domain
}

// unix returns the address as x/sys wants it, nil for none or one that it
// does not know.
func (a *Sockaddr) unix() unix.Sockaddr {
	switch a.Family() {
	case afInet:
		port, ip := a.Inet4()
		return &unix.SockaddrInet4{Port: int(port), Addr: [4]byte(ip)}
	case linuxInet6:
		port, scope, ip := a.Inet6()
		return &unix.SockaddrInet6{Port: int(port), ZoneId: scope, Addr: [16]byte(ip)}
	case afUnix:
		return &unix.SockaddrUnix{Name: string(a.Unix(nil))}
	}
	return nil
}

// set fills in the address that x/sys returned.
func (a *Sockaddr) set(from unix.Sockaddr) {
	a.Len = 0
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		a.SetInet4(uint16(from.Port), from.Addr[:])
	case *unix.SockaddrInet6:
		a.SetInet6(uint16(from.Port), from.ZoneId, from.Addr[:])
	case *unix.SockaddrUnix:
		a.SetUnix([]byte(from.Name))
	}
}
