package iso

// fletcher returns both sums over b: RFC 905, section 6.17 and annex B. They
// are 0 over a TPDU whose checksum is right.
func fletcher(b []byte) (c0, c1 int) {
	for len(b) > 0 {
		n := min(len(b), 4096) // after which the sums, of 32 bits even, need reducing
		for _, char := range b[:n] {
			c0 += int(char)
			c1 += c0
		}
		c0, c1 = c0%255, c1%255
		b = b[n:]
	}
	return c0, c1
}

// putChecksum writes the two bytes of the checksum at offset n of b, where
// zeros are.
func putChecksum(b []byte, n int) {
	c0, c1 := fletcher(b)
	x := positive((len(b)-n-1)*c0 - c1)
	y := positive(c1 - (len(b)-n)*c0)
	b[n], b[n+1] = x, y
}

// positive reduces modulo 255, to 1..255: 0 means that there is no checksum.
func positive(v int) byte {
	v %= 255
	if v <= 0 {
		v += 255
	}
	return byte(v)
}
