package replay

import (
	"fmt"
	"strings"

	"zocalo/record/capture"
)

// A Why says what a difference is.
type Why string

// What differs.
const (
	Differs  Why = "differs"       // other bytes came
	Silence  Why = "nothing came"  // for as long as Options.Wait says
	TooShort Why = "ended early"   // the peer ended before all had come
	TooLong  Why = "more came"     // where the recording has the end, or a shorter message
	WasReset Why = "was reset"     // where the recording goes on, or has an end
	NotReset Why = "was not reset" // where the recording has a reset
)

// A Difference is where what came is not what was recorded: the first of a conversation.
type Difference struct {
	Why    Why
	From   capture.Side // who sent it
	Answer int          // which of its answers, from 1

	// Message is which message of that side it is, from 1; 0 for a stream, whose offsets
	// count from its beginning. Those of a message count from its own.
	Message int

	RecordedOffset, CameOffset int64  // of the first byte that differs
	Recorded, Came             []byte // what is around it
	Before                     int    // how many bytes of both are before it, and the same
}

// How much of a difference is kept, in bytes before it and from it on.
const (
	keptBefore = 8
	keptFrom   = 56
)

// around keeps what is around the place to which two texts agree.
func (d *Difference) around(want, got []byte, a agreement) {
	d.Before = min(keptBefore, a.want, a.got)
	d.Recorded = clip(want, a.want-d.Before, a.want+keptFrom)
	d.Came = clip(got, a.got-d.Before, a.got+keptFrom)
}

func clip(b []byte, from, to int) []byte { return append([]byte(nil), b[from:min(to, len(b))]...) }

// Error says in a line what differs.
func (d *Difference) Error() string {
	where := fmt.Sprintf("answer %d of the %s, byte %d", d.Answer, d.From, d.RecordedOffset)
	if d.Message > 0 {
		where = fmt.Sprintf("message %d of the %s, byte %d", d.Message, d.From, d.RecordedOffset)
	}
	if d.CameOffset != d.RecordedOffset {
		where += fmt.Sprintf(" (%d of what came)", d.CameOffset)
	}
	switch d.Why {
	case Differs:
		return where + ": what came differs"
	case Silence:
		return where + ": nothing came"
	case TooShort:
		return where + ": what came ends here"
	case TooLong:
		return where + ": more came than was recorded"
	case WasReset:
		return where + ": the connection was reset here"
	}
	return where + ": the connection was not reset, as it was in the recording"
}

// The dump of a difference has so many bytes of either side in a row, which makes it 80
// columns wide up to an offset of 16 MiB.
const dumpRow = 8

// Dump shows the difference, what was recorded on the left and what came on the right, with the
// offset of each row and a ! between where they differ. It ends with a newline, and is
// empty where there are no bytes to show.
func (d *Difference) Dump() string {
	if len(d.Recorded) == 0 && len(d.Came) == 0 {
		return ""
	}
	left, right := d.RecordedOffset-int64(d.Before), d.CameOffset-int64(d.Before)
	digits := 6
	for max(left, right)+keptFrom+keptBefore >= 1<<(4*digits) {
		digits++
	}
	width := digits + 1 + dumpRow*3 + dumpRow
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  %s\n", width, "recorded", "came")
	for at := 0; at < max(len(d.Recorded), len(d.Came)); at += dumpRow {
		r, c := row(d.Recorded, at), row(d.Came, at)
		mark := "  "
		if string(r) != string(c) {
			mark = "! "
		}
		b.WriteString(strings.TrimRight(dumpHalf(r, left+int64(at), digits, width)+mark+dumpHalf(c, right+int64(at), digits, width), " ") + "\n")
	}
	return b.String()
}

func row(b []byte, at int) []byte {
	if at >= len(b) {
		return nil
	}
	return b[at:min(at+dumpRow, len(b))]
}

// dumpHalf is one side of a row, of which there is nothing where the text is at its end.
func dumpHalf(b []byte, offset int64, digits, width int) string {
	if len(b) == 0 {
		return strings.Repeat(" ", width)
	}
	hex := fmt.Sprintf("%0*x %-*s", digits, offset, dumpRow*3, fmt.Sprintf("% x", b))
	text := append([]byte(nil), b...)
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '.'
		}
	}
	return fmt.Sprintf("%-*s", width, hex+string(text))
}
