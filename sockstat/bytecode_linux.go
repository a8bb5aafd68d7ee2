package sockstat

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// A program is bytecode of inet_diag: a sequence of tests, each of which
// either goes on to the next or jumps forward. To arrive at the end
// accepts a socket; to jump four bytes beyond it rejects.
type program []byte

// Operation codes (include/uapi/linux/inet_diag.h).
const (
	opJump       = 1
	opSourceGE   = 2
	opSourceLE   = 3
	opDestGE     = 4
	opDestLE     = 5
	opSourceCond = 7
	opDestCond   = 8

	// maxProgram keeps jumps far within their 16 bits. A filter that is
	// larger is left to user space, which tests all sockets again anyway.
	maxProgram = 16 << 10
)

// compile makes the part of f that the kernel can decide into bytecode: nil
// to have it send everything. Where none is true, no internet socket can pass the filter.
func (f Filter) compile() (p program, none bool) {
	for i := range f.terms {
		t := &f.terms[i]
		if len(t.alts) == 0 || slices.ContainsFunc(t.alts, func(a alternative) bool { return !a.exact }) {
			continue
		}
		var conditions []condition
		for _, a := range t.alts {
			conditions = append(conditions, a.conditions...)
		}
		if len(conditions) == 0 {
			if t.negate {
				continue
			}
			return nil, true
		}
		code := anyOf(conditions)
		if code != nil && t.negate {
			code = not(code)
		}
		if code != nil && len(p)+len(code) <= maxProgram {
			p = and(p, code)
		}
	}
	return p, false
}

// anyOf is the program that accepts what meets one of the conditions, nil if it would be too large.
func anyOf(conditions []condition) program {
	var p program
	for _, c := range slices.Backward(conditions) {
		if len(p) > maxProgram {
			return nil
		}
		p = or(c.program(), p)
	}
	return p
}

// program tests a port, an address, or both.
func (c *condition) program() program {
	ge, le, cond := byte(opSourceGE), byte(opSourceLE), byte(opSourceCond)
	if c.end == peerEnd {
		ge, le, cond = opDestGE, opDestLE, opDestCond
	}
	var p program
	if c.prefix.IsValid() {
		p = and(p, testAddress(cond, c))
	}
	if c.hi != 0 {
		p = and(and(p, testPort(ge, c.lo)), testPort(le, c.hi))
	}
	return p
}

func testPort(code byte, port uint16) program {
	p := program{code, 8, 0, 0, 0, 0, 0, 0}
	binary.NativeEndian.PutUint16(p[2:], 12)
	binary.NativeEndian.PutUint16(p[6:], port)
	return p
}

func testAddress(code byte, c *condition) program {
	addr := c.prefix.Addr().AsSlice()
	family := byte(unix.AF_INET)
	if c.prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	size := 4 + 8 + len(addr)
	p := make(program, 12, size)
	p[0], p[1] = code, byte(size)
	binary.NativeEndian.PutUint16(p[2:], uint16(size+4))
	p[4], p[5] = family, byte(c.prefix.Bits())
	binary.NativeEndian.PutUint32(p[8:], ^uint32(0)) // any port
	return append(p, addr...)
}

func jump(distance int) program {
	p := program{opJump, 4, 0, 0}
	binary.NativeEndian.PutUint16(p[2:], uint16(distance))
	return p
}

// or accepts what a or b accepts: the rejections of a arrive at b, which a jump
// behind a passes by.
func or(a, b program) program {
	if b == nil {
		return a
	}
	return slices.Concat(a, jump(len(b)+4), b)
}

// not accepts what p rejects: a jump behind p rejects, and the rejections of p pass it by.
func not(p program) program { return slices.Concat(p, jump(8)) }

// and accepts what both accept: the rejections of a go beyond b.
func and(a, b program) program {
	if a == nil {
		return b
	}
	p := slices.Concat(a, b)
	for at := 0; at < len(a); at += int(p[at+1]) {
		no := int(binary.NativeEndian.Uint16(p[at+2:]))
		if at+no == len(a)+4 {
			binary.NativeEndian.PutUint16(p[at+2:], uint16(no+len(b)))
		}
	}
	return p
}
