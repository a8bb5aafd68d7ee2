package socket

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// Of the three times of SCM_TIMESTAMPING the first is the system's, the third
// that of the network card, and the second nothing any more; a time of zero was
// not taken. No device here has a clock: the item is laid out as the kernel
// documents it (Documentation/networking/timestamping.rst, 1.4).
func TestTimestampingItem(t *testing.T) {
	item := func(times ...int64) []byte {
		var data []byte
		for _, n := range times {
			data = binary.NativeEndian.AppendUint64(data, uint64(n/1e9))
			data = binary.NativeEndian.AppendUint64(data, uint64(n%1e9))
		}
		return sys.AppendCmsg(nil, unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, data)
	}
	const system, card = 1_700_000_000_123_456_789, 42_000_000_007
	for _, c := range []struct {
		name         string
		control      []byte
		present      AncillarySet
		system, card int64
	}{
		{"both", item(system, 0, card), HasTime | HasHardwareTime, system, card},
		{"the system's", item(system, 0, 0), HasTime, system, 0},
		{"the card's", item(0, 0, card), HasHardwareTime, 0, card},
		{"the second is not looked at", item(0, system, card), HasHardwareTime, 0, card},
		{"less than three", item(system, 0), HasTime, system, 0},
		{"none", item(0, 0, 0), HasControl, 0, 0},
		{"cut short", item(system)[:sys.FilesSpace(1)-4], 0, 0, 0},
	} {
		var a Ancillary
		a.parse(c.control)
		if a.Present != c.present {
			t.Errorf("%s: present %b, want %b", c.name, a.Present, c.present)
		}
		if c.system != 0 && !a.Time.Equal(time.Unix(0, c.system)) || c.card != 0 && !a.HardwareTime.Equal(time.Unix(0, c.card)) {
			t.Errorf("%s: %v and %v", c.name, a.Time, a.HardwareTime)
		}
	}
}
