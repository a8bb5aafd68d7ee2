package iso

import (
	"encoding/binary"
	"io"
	"testing"

	"zocalo/socket"
)

// s7Memory is what the PLC below has in its data block 1: an INT at 0, and a
// REAL at 4.
var s7Memory = []byte{0x30, 0x39, 0, 0, 0x40, 0x49, 0x0f, 0xdb, 0, 0}

// servePLC answers S7 requests on a connection until its end: to agree on a
// size, to read variables of data block 1, and to say what it is.
func servePLC(t testing.TB, s *socket.Socket) {
	b := make([]byte, 4096)
	for {
		n, err := s.Read(b)
		if err != nil {
			if err != io.EOF {
				t.Errorf("the PLC reads: %v", err)
			}
			return
		}
		answer := answerS7(b[:n])
		if answer == nil {
			t.Errorf("the PLC does not know what %x means", b[:n])
			return
		}
		if _, err := s.Write(answer); err != nil {
			t.Errorf("the PLC writes: %v", err)
			return
		}
	}
}

func answerS7(b []byte) []byte {
	if len(b) < 11 || b[0] != 0x32 {
		return nil
	}
	params := int(binary.BigEndian.Uint16(b[6:]))
	if len(b) < 10+params {
		return nil
	}
	request, data := b[10:10+params], b[10+params:]
	switch {
	case b[1] == 1 && request[0] == 0xf0:
		return s7Answer(b, 3, []byte{0xf0, 0, 0, 1, 0, 1, 0, 240}, nil)
	case b[1] == 1 && request[0] == 4:
		var values []byte
		for items := request[2:]; len(items) >= 12; items = items[12:] {
			size := int(binary.BigEndian.Uint16(items[4:]))
			at := int(items[9])<<16 | int(items[10])<<8 | int(items[11])
			if at/8+size > len(s7Memory) || items[8] != 0x84 || items[7] != 1 {
				return nil
			}
			values = append(values, 0xff, 4, byte(size*8>>8), byte(size*8))
			values = append(values, s7Memory[at/8:at/8+size]...)
		}
		return s7Answer(b, 3, request[:2], values)
	case b[1] == 7 && len(data) >= 8:
		list := binary.BigEndian.Uint16(data[4:])
		return s7Answer(b, 7, []byte{0, 1, 0x12, 8, 0x12, 0x84, 1, 1, 0, 0, 0, 0}, s7List(list))
	}
	return nil
}

func s7Answer(request []byte, kind byte, params, data []byte) []byte {
	a := []byte{0x32, kind, 0, 0, request[4], request[5]}
	a = binary.BigEndian.AppendUint16(a, uint16(len(params)))
	a = binary.BigEndian.AppendUint16(a, uint16(len(data)))
	if kind == 3 {
		a = append(a, 0, 0)
	}
	return append(append(a, params...), data...)
}

// s7List is what the PLC says about itself: its modules, or its names.
func s7List(list uint16) []byte {
	records := []string{"6ES7 315-2EH14-0AB0 ", "6ES7 315-2EH14-0AB0 ", "\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20\x20"}
	size := 28
	if list != 0x11 {
		records = []string{"SNAP", "CPU 315-2 PN/DP", "plant", "Original", "S C-C2UR28922012"}
		size = 34
	}
	var all []byte
	for i, text := range records {
		r := make([]byte, size)
		r[1] = byte(i + 1)
		copy(r[2:], text)
		if list == 0x11 {
			r[25], r[26], r[27] = 3, 2, 6 // the version, of the last
		}
		all = append(all, r...)
	}
	b := []byte{0xff, 9, 0, 0, byte(list >> 8), byte(list), 0, 0, 0, byte(size), 0, byte(len(records))}
	b = append(b, all...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	return b
}
