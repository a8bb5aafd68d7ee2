package iso

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"zocalo/codec"
)

// MaxSelector is the most bytes of a selector. With two of them and 32
// bytes of user data a connection request stays within the 128 bytes that
// RFC 905 (section 13.3.1) allows it.
const MaxSelector = 32

// A Selector is a transport selector (TSAP identifier): who is meant behind
// an address and port. It may hold any bytes, up to [MaxSelector]; the zero
// Selector is none. It is comparable, and a string of those bytes.
type Selector string

// A role is the high byte of an S7 selector: who the connection is for.
var roles = []struct {
	prefix string
	role   byte
}{
	{"", 0x01},       // programming device
	{"op-", 0x02},    // operator panel
	{"basic-", 0x03}, // basic communication
}

// RackSlot returns the selector of a module of an S7 station, as a programming
// device calls it: 0x0100 + 32 rack + slot. Racks go from 0 to 7, slots to 31.
func RackSlot(rack, slot int) (Selector, error) {
	return rackSlot(roles[0].role, rack, slot)
}

func rackSlot(role byte, rack, slot int) (Selector, error) {
	if rack < 0 || rack > 7 || slot < 0 || slot > 31 {
		return "", fmt.Errorf("rack %d slot %d: racks go from 0 to 7, and slots from 0 to 31", rack, slot)
	}
	return Selector([]byte{role, byte(rack<<5 | slot)}), nil
}

// ParseSelector reads a selector as people write it:
//
//	0x0302                    the bytes, in hexadecimal
//	rack0slot2                an S7 module, see [RackSlot]
//	op-rack0slot2             the same as an operator panel calls it: 0x0202
//	basic-rack0slot2          the same for basic communication: 0x0302
//	"text" or text            the bytes of the text
//
// No text is no selector. What is in quotes stands for itself, whatever it
// looks like.
func ParseSelector(text string) (Selector, error) {
	s, err := parseSelector(text)
	if err == nil && len(s) > MaxSelector {
		err = fmt.Errorf("selector %.40q has %d bytes: the maximum is %d", text, len(s), MaxSelector)
	}
	if err != nil {
		return "", err
	}
	return s, nil
}

func parseSelector(text string) (Selector, error) {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return Selector(text[1 : len(text)-1]), nil
	}
	lower := strings.ToLower(text)
	if digits, ok := strings.CutPrefix(lower, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) == 0 {
			return "", fmt.Errorf("selector %.40q: two hexadecimal digits a byte must follow 0x, as in 0x0302; text that looks so goes in quotes", text)
		}
		return Selector(b), nil
	}
	for _, r := range roles {
		rest, ok := strings.CutPrefix(lower, r.prefix+"rack")
		if !ok {
			continue
		}
		rack, slot, ok := strings.Cut(rest, "slot")
		m, err := strconv.ParseUint(rack, 10, 8)
		n, err2 := strconv.ParseUint(slot, 10, 8)
		if !ok || err != nil || err2 != nil {
			break // some text
		}
		return rackSlot(r.role, int(m), int(n))
	}
	return Selector(text), nil
}

// String returns the selector as ParseSelector reads it: as plain text where it
// is letters, digits, "-", "_" and ".", else in hexadecimal; "" for none.
func (s Selector) String() string {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return "0x" + hex.EncodeToString([]byte(s))
		}
	}
	if again, err := parseSelector(string(s)); err != nil || again != s {
		return "0x" + hex.EncodeToString([]byte(s))
	}
	return string(s)
}

func selectorOf(b []byte) Selector { return Selector(b) }

// selectorCodec is for options.
var selectorCodec = codec.Codec[Selector]{Placeholder: "SELECTOR", Parse: ParseSelector, Format: Selector.String}
