package bench

import (
	"encoding/binary"
	"fmt"
	"time"

	"zocalo/internal/units"
)

// The protocol, version 1. All numbers are unsigned and have their most
// significant byte first.
//
// A client opens each flow with a greeting of 64 bytes, which says what it
// wants; on a kind with message boundaries it is one message. The answer has 64
// bytes too, and another first word, so that whoever sends the greeting itself
// back is known for an echo server. What follows is either echoed as it comes,
// or frames. Where there are no connections, a frame that starts the flow with
// the answer's token comes before the server sends anything of its own accord or
// back: it shows that the client is where it says. It is said again each second,
// so that one which vanished is known.
//
// A frame begins with a header of 24 bytes, which its length includes. On a
// kind with message boundaries each message is one frame; on a stream they
// follow one another. Frames of data are filled up with bytes that mean nothing, or that
// the receiver checks.
const (
	protocolVersion = 1
	greetingSize    = 64
	headerSize      = 24
	maxFrame        = 16 << 20
	greetingWord    = "zbench?\n"
	answerWord      = "zbench!\n"
	reasonSize      = 40
)

// numberSize is how many bytes number a message that comes back where it may
// be lost.
const numberSize = 8

// A service is what a flow's greeting asks for.
type service uint8

const (
	echoed service = 1 // all that follows comes back
	framed service = 2 // frames
)

// The directions of a flow as the greeting has them: two bits.
const (
	forward = 1 // the client sends data
	reverse = 2 // the server sends data
)

// A greeting asks a server for a flow.
type greeting struct {
	service   service
	direction uint8 // bits forward and reverse
	verify    bool  // the content of frames is checked
	size      int   // bytes of each write or message, 1 to maxFrame
	duration  time.Duration
	warmUp    time.Duration // first part of duration, which is not measured
	count     int64         // messages in each direction; 0 is no bound
	gap       time.Duration // between messages; 0 is as fast as it goes
	batch     int           // messages given to the system at once, 1 to maxBatch
	run       uint64        // the same for all flows of a run
	flow      uint32        // the number of the flow within it
}

// The bounds of what a client may ask for.
const (
	// MaxDuration is the longest run.
	MaxDuration = 24 * time.Hour
	maxBatch    = 64
)

const verifyFlag = 1

func (g *greeting) append(b []byte) []byte {
	var flags byte
	if g.verify {
		flags |= verifyFlag
	}
	b = append(b, greetingWord...)
	b = append(b, protocolVersion, byte(g.service), g.direction, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(g.size))
	b = binary.BigEndian.AppendUint64(b, uint64(g.duration))
	b = binary.BigEndian.AppendUint64(b, uint64(g.warmUp))
	b = binary.BigEndian.AppendUint64(b, uint64(g.count))
	b = binary.BigEndian.AppendUint64(b, uint64(g.gap))
	b = binary.BigEndian.AppendUint64(b, g.run)
	b = binary.BigEndian.AppendUint32(b, g.flow)
	return append(b, byte(g.batch), 0, 0, 0)
}

// parse reads a greeting, and refuses all that it could not mean.
func (g *greeting) parse(b []byte) error {
	if len(b) != greetingSize || string(b[:8]) != greetingWord {
		return fmt.Errorf("not a greeting of zocalo bench")
	}
	if b[8] != protocolVersion {
		return fmt.Errorf("protocol version %d is not supported: this is version %d", b[8], protocolVersion)
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
	*g = greeting{
		service: service(b[9]), direction: b[10], verify: b[11]&verifyFlag != 0, size: int(binary.BigEndian.Uint32(b[12:])),
		duration: time.Duration(number(16)), warmUp: time.Duration(number(24)), count: number(32), gap: time.Duration(number(40)),
		run: binary.BigEndian.Uint64(b[48:]), flow: binary.BigEndian.Uint32(b[56:]), batch: int(b[60]),
	}
	switch {
	case g.service != echoed && g.service != framed, g.direction > forward|reverse, b[11] > verifyFlag, b[61]|b[62]|b[63] != 0:
		return fmt.Errorf("a greeting with an unknown word")
	case g.size < 1 || g.size > maxFrame:
		return fmt.Errorf("messages of %d bytes", g.size)
	case g.duration < 0 || g.duration > MaxDuration, g.warmUp < 0 || g.warmUp > MaxDuration, g.gap < 0 || g.gap > MaxDuration:
		return fmt.Errorf("a time of more than %s", units.Set(MaxDuration))
	case g.count < 0:
		return fmt.Errorf("%d messages", uint64(g.count))
	case g.batch < 1 || g.batch > maxBatch:
		return fmt.Errorf("%d messages at once", g.batch)
	}
	return nil
}

// An answer accepts a greeting, or says why not.
type answer struct {
	token  uint64 // to be given back in the frame that starts the flow; 0 refuses
	reason string // of a refusal, at most reasonSize bytes
}

func (a *answer) append(b []byte) []byte {
	b = append(b, answerWord...)
	b = append(b, protocolVersion, 0, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, a.token)
	var reason [reasonSize]byte
	copy(reason[:], a.reason)
	return append(b, reason[:]...)
}

func (a *answer) parse(b []byte) error {
	if len(b) != greetingSize || string(b[:8]) != answerWord {
		return fmt.Errorf("not an answer of zocalo bench")
	}
	if b[8] != protocolVersion {
		return fmt.Errorf("protocol version %d is not supported: this is version %d", b[8], protocolVersion)
	}
	a.token = binary.BigEndian.Uint64(b[16:])
	a.reason = printable(b[24:])
	return nil
}

// printable returns the text before the first byte that is no printable
// ASCII: it comes from anybody, and goes to a terminal.
func printable(b []byte) string {
	for i, c := range b {
		if c < ' ' || c > '~' {
			return string(b[:i])
		}
	}
	return string(b)
}

// A frameType says what a frame is.
type frameType uint8

const (
	startFrame  frameType = 1 // from the client: begin; number is the answer's token
	dataFrame   frameType = 2 // number counts from 0
	markFrame   frameType = 3 // the measured time begins, for a flow without data
	endFrame    frameType = 4 // the sender's data is over; number is how many messages there were, stamp how many of them in the warm-up
	stopFrame   frameType = 5 // from the client: send no more data
	askFrame    frameType = 6 // from the client, where frames may be lost: send that part of the report; number is as endFrame's, stamp the part
	reportFrame frameType = 7 // a part of the report; number is its index, stamp how many there are
	padFrame    frameType = 8 // nothing: whether one of its length can be sent
)

// measured marks a frame of data in the measured time.
const measured = 1

// A header is the first 24 bytes of a frame.
type header struct {
	kind   frameType
	flags  uint8
	length int    // of the whole frame, in bytes
	number uint64 // see frameType
	stamp  int64  // of data: when it was sent, in nanoseconds since some moment of the sender's
}

func (h *header) put(b []byte) {
	b[0], b[1], b[2], b[3] = byte(h.kind), h.flags, 0, 0
	binary.BigEndian.PutUint32(b[4:], uint32(h.length))
	binary.BigEndian.PutUint64(b[8:], h.number)
	binary.BigEndian.PutUint64(b[16:], uint64(h.stamp))
}

// parse reads a header from b, which has at least 24 bytes.
func (h *header) parse(b []byte) error {
	*h = header{kind: frameType(b[0]), flags: b[1], length: int(binary.BigEndian.Uint32(b[4:])),
		number: binary.BigEndian.Uint64(b[8:]), stamp: int64(binary.BigEndian.Uint64(b[16:]))}
	switch {
	case h.kind < startFrame || h.kind > padFrame, b[1] > measured, b[2]|b[3] != 0, h.flags != 0 && h.kind != dataFrame:
		return fmt.Errorf("not a frame")
	case h.length < headerSize || h.length > maxFrame:
		return fmt.Errorf("a frame of %d bytes", h.length)
	case h.kind != dataFrame && h.kind != padFrame && h.kind != reportFrame && h.length != headerSize:
		return fmt.Errorf("a frame of type %d with %d bytes", h.kind, h.length)
	case h.kind == reportFrame && h.length > headerSize+reportPart:
		return fmt.Errorf("a part of a report with %d bytes", h.length)
	}
	return nil
}

// fill fills b with bytes that number and their place decide, so that what
// is lost, moved or changed shows (splitmix64).
func fill(b []byte, number uint64) {
	x := number*0x9e3779b97f4a7c15 + 1
	for len(b) > 0 {
		x += 0x9e3779b97f4a7c15
		z := x
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		if len(b) < 8 {
			var last [8]byte
			binary.LittleEndian.PutUint64(last[:], z)
			copy(b, last[:])
			return
		}
		binary.LittleEndian.PutUint64(b, z)
		b = b[8:]
	}
}
