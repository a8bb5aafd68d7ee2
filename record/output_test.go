package record

import (
	"testing"

	"zocalo/internal/pcapng"
)

// A file is cut behind its last whole block when the disk is full.
func TestWholeBlocks(t *testing.T) {
	one := pcapng.AppendInterface(nil, pcapng.Interface{Name: "lo"})
	two := pcapng.AppendPacket(one, &pcapng.Packet{Data: []byte("hola")})
	for n := range len(two) + 1 {
		want := 0
		switch {
		case n == len(two):
			want = n
		case n >= len(one):
			want = len(one)
		}
		if got := wholeBlocks(two[:n]); got != want {
			t.Errorf("of %d bytes %d are of whole blocks; want %d", n, got, want)
		}
	}
}
