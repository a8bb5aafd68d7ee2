package proxyproto

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"zocalo/socket"
)

// A header of version 2 is its signature, these two, the length of what follows (2
// bytes), the addresses of the family, and TLVs.
const (
	atCommand = len(signature2)
	atFamily  = atCommand + 1
	atLength  = atFamily + 1
	fixed2    = atLength + 2
)

// The version with the command, and the families with the transports of which the
// protocol knows.
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
		return h, 0, malformed("version and command are %#02x, and neither LOCAL nor PROXY of version 2", command)
	case n > longest2:
		return h, 0, malformed("it has %d bytes, and at most %d are taken", n, longest2)
	case len(data) < n:
		return h, 0, nil
	case command == commandLocal: // of the proxy's own, whatever follows
		return h, n, nil
	}
	family, rest := data[atFamily], data[fixed2:n]
	if family == familyNone {
		// What follows has no form that all agree on, but for TLVs that some send.
		if h.facts, err = parseTLVs(data[:n], rest); err == errChecksum {
			return h, 0, err
		}
		return h, n, nil
	}
	size, name := addressOf(family)
	switch {
	case size == 0:
		return h, 0, malformed("there is no family %#02x", family)
	case len(rest) < 2*size:
		return h, 0, malformed("%d bytes are too few for the addresses of family %#02x", len(rest), family)
	}
	h.told = true
	h.peer, h.local = name(rest[:2*size], 0), name(rest[:2*size], 1)
	h.facts, err = parseTLVs(data[:n], rest[2*size:])
	return h, n, err
}

// addressOf returns the size of an address of the family, with its port, and what
// makes the i-th of two of them a name; 0 for a family that there is not.
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

// inetName is for both addresses, followed by both ports.
func inetName(both []byte, i int) socket.Name {
	size := len(both)/2 - 2
	a, _ := netip.AddrFromSlice(both[i*size : (i+1)*size])
	return socket.InetName(netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(both[2*size+2*i:])))
}

// unixName is for two paths, each filled up with zeros. One that begins with a zero is
// abstract.
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
	if err != nil { // a path that fills its field
		n, _ = socket.UnixName(string(path[:unixLength-1]))
	}
	return n
}

// append2 adds a header of version 2.
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

// appendAddresses adds those of the family that both names are of, which it returns:
// none where they have none in common that the protocol knows.
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

// isUnix reports whether one of the names is a unix socket's and the other is too, or
// is none, as those of most clients.
func isUnix(a, b socket.Name) bool {
	return (a.Domain() == socket.Unix || a.IsZero()) && (b.Domain() == socket.Unix || b.IsZero()) && a.Domain() != b.Domain() ||
		a.Domain() == socket.Unix && b.Domain() == socket.Unix
}
