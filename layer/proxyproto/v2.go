package proxyproto

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"zocalo/socket"
)

// A header of version 2 has a signature, a command, a family, the length of the rest (2
// bytes), two addresses of the family, and TLVs.
const (
	atCommand = len(signature2)
	atFamily  = atCommand + 1
	atLength  = atFamily + 1
	fixed2    = atLength + 2
)

// The commands, with the version, and the families and transports of the protocol.
const (
	commandLocal = 0x20
	commandProxy = 0x21

	familyNone  = 0x00
	familyInet  = 0x1
	familyInet6 = 0x2
	familyUnix  = 0x3
	stream      = 0x1
	datagram    = 0x2
)

const unixLength = 108 // of a path

// parse2 reads a header of version 2.
func parse2(data []byte) (h header, n int, err error) {
	if len(data) < fixed2 {
		return h, 0, nil
	}
	n = fixed2 + int(binary.BigEndian.Uint16(data[atLength:]))
	switch command := data[atCommand]; {
	case command != commandLocal && command != commandProxy:
		return h, 0, malformed("its version and command are %#02x, neither LOCAL nor PROXY of version 2", command)
	case n > longest2:
		return h, 0, malformed("it has %d bytes, more than the %d that are accepted", n, longest2)
	case len(data) < n:
		return h, 0, nil
	case command == commandLocal: // a connection of the proxy itself; the rest has no meaning
		return h, n, nil
	}
	family, rest := data[atFamily], data[fixed2:n]
	if family == familyNone {
		// Some proxies send TLVs here and others anything, so only a wrong checksum matters.
		if h.facts, err = parseTLVs(data[:n], rest); err == errChecksum {
			return h, 0, err
		}
		return h, n, nil
	}
	size, name := addressOf(family)
	switch {
	case size == 0:
		return h, 0, malformed("the family %#02x does not exist", family)
	case len(rest) < 2*size:
		return h, 0, malformed("%d bytes are too few for the addresses of family %#02x", len(rest), family)
	}
	h.told = true
	h.peer, h.local = name(rest[:2*size], 0), name(rest[:2*size], 1)
	h.facts, err = parseTLVs(data[:n], rest[2*size:])
	return h, n, err
}

// addressOf returns the size of an address of the family with its port, and a func that
// returns the i-th of two as a name; 0 for an unknown family.
func addressOf(family byte) (size int, name func(both []byte, i int) socket.Name) {
	if transport := family & 0xf; transport != stream && transport != datagram {
		return 0, nil
	}
	switch family >> 4 {
	case familyInet:
		return 4 + 2, inetName
	case familyInet6:
		return 16 + 2, inetName
	case familyUnix:
		return unixLength, unixName
	}
	return 0, nil
}

// inetName is for two addresses followed by two ports.
func inetName(both []byte, i int) socket.Name {
	size := len(both)/2 - 2
	a, _ := netip.AddrFromSlice(both[i*size : (i+1)*size])
	return socket.InetName(netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(both[2*size+2*i:])))
}

// unixName is for two paths padded with zeros. One that begins with a zero is abstract.
func unixName(both []byte, i int) socket.Name {
	path := both[i*unixLength : (i+1)*unixLength]
	if path[0] == 0 {
		path = bytes.TrimRight(path, "\x00")
		if len(path) > 0 {
			path = append([]byte("@"), path[1:]...)
		}
	} else if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	n, err := socket.UnixName(string(path))
	if err != nil { // a path that fills the field
		n, _ = socket.UnixName(string(path[:unixLength-1]))
	}
	return n
}

// append2 appends a header of version 2.
func (h header) append2(b []byte) []byte {
	b = append(b, signature2...)
	if !h.told {
		return append(b, commandLocal, familyNone, 0, 0)
	}
	begin := len(b)
	b = append(b, commandProxy, familyNone, 0, 0)
	b, family := h.appendAddresses(b)
	b[begin+1] = family
	b = appendTLVs(b, h.facts)
	binary.BigEndian.PutUint16(b[begin+atLength-atCommand:], uint16(len(b)-begin-(fixed2-atCommand)))
	return b
}

// appendAddresses appends both names and returns their family, which is none if they have
// none in common that the protocol knows.
func (h header) appendAddresses(b []byte) (with []byte, family byte) {
	peer, local := h.peer.AddrPort(), h.local.AddrPort()
	from, to := peer.Addr().Unmap(), local.Addr().Unmap()
	switch {
	case peer.IsValid() && local.IsValid():
		if family = familyInet<<4 | stream; !from.Is4() || !to.Is4() {
			family = familyInet6<<4 | stream
		}
		for _, a := range []netip.Addr{from, to} {
			if long := a.As16(); family>>4 == familyInet6 {
				b = append(b, long[:]...)
			} else {
				b = append(b, long[12:]...)
			}
		}
		b = binary.BigEndian.AppendUint16(b, peer.Port())
		return binary.BigEndian.AppendUint16(b, local.Port()), family
	case isUnix(h.peer, h.local):
		for _, n := range []socket.Name{h.peer, h.local} {
			var field [unixLength]byte
			path := n.Path()
			if abstract, is := strings.CutPrefix(path, "@"); is {
				path = "\x00" + abstract
			}
			copy(field[:], path)
			b = append(b, field[:]...)
		}
		return b, familyUnix<<4 | stream
	}
	return b, familyNone
}

// isUnix reports whether both names are of unix sockets, or one is and the other is empty,
// as that of most clients is.
func isUnix(a, b socket.Name) bool {
	return (a.Domain() == socket.Unix || a.IsZero()) && (b.Domain() == socket.Unix || b.IsZero()) && a.Domain() != b.Domain() ||
		a.Domain() == socket.Unix && b.Domain() == socket.Unix
}
