package iso

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The codes of TPDUs: RFC 905, section 13.2.2.
const (
	codeCR = 0xe0 // connection request
	codeCC = 0xd0 // connection confirm
	codeDR = 0x80 // disconnect request
	codeDC = 0xc0 // disconnect confirm
	codeDT = 0xf0 // data
	codeED = 0x10 // expedited data
	codeER = 0x70 // TPDU error
	codeUD = 0x40 // unit data (ISO 8602)
)

var codeNames = map[byte]string{codeCR: "CR", codeCC: "CC", codeDR: "DR", codeDC: "DC", codeDT: "DT", codeED: "ED", codeER: "ER", codeUD: "UD"}

// The codes of parameters: RFC 905, section 13.
const (
	paramSize       = 0xc0 // TPDU size, as a power of 2
	paramCalling    = 0xc1 // calling TSAP; of UD, the source; of ER, the offending header
	paramCalled     = 0xc2 // called TSAP; of UD, the destination
	paramChecksum   = 0xc3
	paramAdditional = 0xc6 // additional options
	paramClasses    = 0xc7 // alternative classes
	paramInfo       = 0xe0 // of DR, additional information
)

// Sizes in bytes.
const (
	eot             = 0x80 // end of TSDU, with the number of a DT or ED
	dataHeader      = 3    // of DT and ED in class 0
	largestLI       = 254
	largestTPDU     = mostTPKT - tpktHeader // 65531
	largestED       = 16
	largestUserData = 32 // of CR and CC
	largestDRData   = 64
	useExpedited    = 0x01 // of the additional options
)

// A tpdu is what a TPDU says, apart from what class 0 ignores. DT is written
// and read without one, see framing and header.
type tpdu struct {
	code     byte
	dst, src uint16 // references
	class    byte   // class in the high nibble, options in the low one
	cause    byte   // reason of DR, reject cause of ER
	end      bool   // end of TSDU, of DT and ED

	size                     byte // 0 where absent
	calling, called          []byte
	hasCalling, hasCalled    bool
	additional               byte
	hasAdditional            bool
	classes, rejected, extra []byte // alternative classes; ER's offending header; DR's information
	sum                      bool   // UD: has a checksum, which decoding does not verify

	data []byte
}

// decodeTPDU reads one TPDU of class 0 or UD. What it returns refers to b.
//
// A parameter that is not known is ignored in a CR and refused elsewhere;
// of one that is repeated the last counts; any order will do (RFC 905, section
// 13.2.3).
func decodeTPDU(b []byte) (tpdu, error) {
	var t tpdu
	if len(b) < 2 {
		return t, protocolError(causeUnspecified, "a TPDU of %d bytes came", len(b))
	}
	li := int(b[0])
	if li < 1 || li > largestLI || li >= len(b) {
		return t, protocolError(causeUnspecified, "a TPDU of %d bytes came whose header should have %d", len(b), li).at(b, 0)
	}
	t.code = b[1] & 0xf0
	if b[1] == codeUD {
		t.code = codeUD
	}
	header := b[:li+1]
	t.data = b[li+1:]
	fixed, err := t.decodeFixed(header)
	if err != nil {
		return t, err
	}
	if fixed == li+1 {
		return t, t.checkData(header)
	}
	if err := t.decodeParams(header, fixed); err != nil {
		return t, err
	}
	return t, t.checkData(header)
}

// decodeFixed reads the fixed part, and returns its size with the length
// indicator.
func (t *tpdu) decodeFixed(h []byte) (int, error) {
	size := fixedSize(t.code)
	switch {
	case size == 0:
		return 0, protocolError(causeBadType, "received a TPDU with code %#02x, which class 0 does not have", h[1]).at(h, 1)
	case len(h) < size, len(h) > size && (t.code == codeDT || t.code == codeED):
		return 0, protocolError(causeUnspecified, "received a %s with a header of %d bytes", codeNames[t.code], len(h)).at(h, 0)
	}
	switch t.code {
	case codeDT, codeED:
		t.end = h[2]&eot != 0
	case codeUD:
	default:
		t.dst = binary.BigEndian.Uint16(h[2:])
		if t.code != codeER {
			t.src = binary.BigEndian.Uint16(h[4:])
		}
	}
	switch t.code {
	case codeCR, codeCC:
		t.class = h[6]
	case codeDR:
		t.cause = h[6]
	case codeER:
		t.cause = h[4]
	}
	return size, nil
}

// fixedSize returns the size of the fixed part with the length indicator, 0
// for anything but the TPDUs above.
func fixedSize(code byte) int {
	switch code {
	case codeCR, codeCC, codeDR:
		return 7
	case codeDC:
		return 6
	case codeER:
		return 5
	case codeDT, codeED:
		return dataHeader
	case codeUD:
		return 2
	}
	return 0
}

func (t *tpdu) decodeParams(h []byte, at int) error {
	for at < len(h) {
		if at+2 > len(h) || at+2+int(h[at+1]) > len(h) {
			return protocolError(causeBadValue, "received a %s whose parameter %#02x is longer than its header", codeNames[t.code], h[at]).at(h, at)
		}
		value := h[at+2 : at+2+int(h[at+1])]
		if err := t.decodeParam(h, at, value); err != nil {
			return err
		}
		at += 2 + len(value)
	}
	return nil
}

func (t *tpdu) decodeParam(h []byte, at int, value []byte) error {
	bad := func(problem string) error {
		return protocolError(causeBadValue, "a %s came whose %s", codeNames[t.code], problem).at(h, at+1)
	}
	connects := t.code == codeCR || t.code == codeCC
	switch code := h[at]; {
	case connects && code == paramSize:
		if len(value) != 1 || value[0] < leastSizeCode || value[0] > mostSizeCode {
			return bad(fmt.Sprintf("TPDU size is %x, where 07 to 10 may stand", value))
		}
		t.size = value[0]
	case t.code == codeER && code == paramCalling:
		t.rejected = value
	case (connects || t.code == codeUD) && code == paramCalling:
		if len(value) > MaxSelector {
			return bad(fmt.Sprintf("calling selector has %d bytes: the maximum is %d", len(value), MaxSelector))
		}
		t.calling, t.hasCalling = value, true
	case (connects || t.code == codeUD) && code == paramCalled:
		if len(value) > MaxSelector {
			return bad(fmt.Sprintf("called selector has %d bytes: the maximum is %d", len(value), MaxSelector))
		}
		t.called, t.hasCalled = value, true
	case connects && code == paramAdditional:
		if len(value) != 1 {
			if t.code == codeCR { // S7 routing gives it another meaning
				break
			}
			return bad(fmt.Sprintf("additional options have %d bytes, where 1 belongs", len(value)))
		}
		t.additional, t.hasAdditional = value[0], true
	case t.code == codeCR && code == paramClasses:
		t.classes = value
	case t.code == codeDR && code == paramInfo:
		t.extra = value
	case code == paramChecksum && t.code == codeUD:
		if len(value) != 2 {
			return bad(fmt.Sprintf("checksum has %d bytes, where 2 belong", len(value)))
		}
		t.sum = true
	case t.code == codeCR, code == paramChecksum: // class 0 has no checksum, and tolerates one
	case t.code == codeCC && code >= 0x85 && code <= 0xf2: // quality of service and the like: no use is made of it
	default:
		return protocolError(causeBadParameter, "a %s came with the parameter %#02x, which does not belong there", codeNames[t.code], code).at(h, at)
	}
	return nil
}

// checkData refuses data where the TPDU has none, or more than it may.
func (t *tpdu) checkData(h []byte) error {
	most, least := largestTPDU, 0
	switch t.code {
	case codeCR, codeCC:
		most = largestUserData
	case codeDR:
		most = largestDRData
	case codeED:
		least, most = 1, largestED
	case codeDC, codeER:
		most = 0
	}
	if len(t.data) < least || len(t.data) > most {
		return protocolError(causeUnspecified, "a %s came with %d bytes of data, where %d to %d may be", codeNames[t.code], len(t.data), least, most).at(h, len(h)-1)
	}
	return nil
}

// append adds the TPDU to b. Parameters come in the order that the strictest
// of the field's gear wants: calling, called, size, then the rest.
func (t *tpdu) append(b []byte) []byte {
	start := len(b)
	b = append(b, 0, t.code)
	switch t.code {
	case codeDT, codeED:
		number := byte(0)
		if t.end {
			number = eot
		}
		b = append(b, number)
	case codeUD:
	default:
		b = binary.BigEndian.AppendUint16(b, t.dst)
		if t.code != codeER {
			b = binary.BigEndian.AppendUint16(b, t.src)
		}
	}
	switch t.code {
	case codeCR, codeCC:
		b = append(b, t.class)
	case codeDR, codeER:
		b = append(b, t.cause)
	}
	param := func(present bool, code byte, value ...byte) {
		if present {
			b = append(append(b, code, byte(len(value))), value...)
		}
	}
	param(t.hasCalling, paramCalling, t.calling...)
	param(t.hasCalled, paramCalled, t.called...)
	param(t.size != 0, paramSize, t.size)
	param(t.hasAdditional, paramAdditional, t.additional)
	param(t.classes != nil, paramClasses, t.classes...)
	param(t.rejected != nil, paramCalling, t.rejected...)
	param(t.extra != nil, paramInfo, t.extra...)
	param(t.sum, paramChecksum, 0, 0)
	sumAt := len(b) - 2 - start
	b[start] = byte(len(b) - start - 1)
	b = append(b, t.data...)
	if t.sum {
		putChecksum(b[start:], sumAt)
	}
	return b
}

// packet returns the TPDU in a TPKT.
func (t *tpdu) packet() []byte {
	b := t.append(make([]byte, tpktHeader, 128))
	putTPKT(b, len(b)-tpktHeader)
	return b
}

// String returns the TPDU in one line, for the trace.
func (t *tpdu) String() string {
	var b strings.Builder
	b.WriteString(codeNames[t.code])
	word := func(format string, args ...any) { fmt.Fprintf(&b, " "+format, args...) }
	switch t.code {
	case codeCR, codeCC, codeDR, codeDC:
		word("dst-ref=%d src-ref=%d", t.dst, t.src)
	case codeER:
		word("dst-ref=%d cause=%d", t.dst, t.cause)
	}
	if t.code == codeDR {
		word("reason=%d (%v)", t.cause, Reason(t.cause))
	}
	if t.code == codeCR || t.code == codeCC {
		word("class=%d", t.class>>4)
	}
	if t.hasCalling {
		word("calling=%v", selectorOf(t.calling))
	}
	if t.hasCalled {
		word("called=%v", selectorOf(t.called))
	}
	if t.size != 0 {
		word("size=%d", sizeOfCode(t.size))
	}
	if t.hasAdditional {
		word("options=%#02x", t.additional)
	}
	if t.code == codeDT || t.code == codeED {
		if t.end {
			word("eot")
		}
	}
	if len(t.data) > 0 {
		word("data=%d", len(t.data))
	}
	return b.String()
}

// The codes of the parameter TPDU size. Class 0 has 07 to 0b by the letter;
// the field uses up to 0d, and 10.
const (
	leastSizeCode = 0x07 // 128
	mostSizeCode  = 0x10 // 65536, which a TPKT cannot hold quite
)

// sizeOfCode returns the size that a code means; 0, for an absent parameter, is
// the largest there is (RFC 1006, section 6).
func sizeOfCode(code byte) int {
	if code == 0 {
		return largestTPDU
	}
	return min(1<<code, largestTPDU)
}

// codeOfSize is the inverse of sizeOfCode.
func codeOfSize(size int) byte {
	for code := byte(leastSizeCode); code < mostSizeCode; code++ {
		if size == 1<<code {
			return code
		}
	}
	return 0
}
