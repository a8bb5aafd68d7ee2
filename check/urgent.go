package check

import (
	"context"
	"errors"
	"fmt"
	"io"

	"zocalo/internal/units"
	"zocalo/socket"
)

// What the experiment on urgent data sends: ordinary bytes before and after
// the urgent one, which is like none of them.
const (
	ordinaryBefore = 1000
	ordinaryAfter  = 500
	urgentByte     = '!'
	ordinaryByte   = '.'
)

// urgent is the experiment on urgent data: the byte must be there while the
// ordinary ones before it are still unread, and its mark at its place.
func urgent(t *trial) ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	if t.Promised.Urgent == 0 {
		f := Finding{Property: "urgent", Verdict: NotPromised, Sent: "an urgent byte", Word: "refused"}
		if _, err := a.SendUrgent([]byte{urgentByte}); err != nil {
			f.Seen = "refused: " + why(err)
			return []Finding{f}, nil
		}
		f.Word, f.Seen = "taken", "the sender was told that it went"
		return []Finding{f}, nil
	}
	f := judge("urgent", true, true)
	f.Sent = fmt.Sprintf("%d bytes, an urgent one, then %d more", ordinaryBefore, ordinaryAfter)
	problem, err := urgentAhead(t, a, b)
	if err != nil {
		return nil, err
	}
	f.Word = units.Plural(t.Promised.Urgent, "byte")
	f.Seen = fmt.Sprintf("it was read while the %d before it were unread, and marked its place", ordinaryBefore)
	if problem != "" {
		f.Verdict, f.Word, f.Seen = Broken, "late", problem
	}
	return []Finding{f}, nil
}

func urgentAhead(t *trial, a, b *socket.Socket) (problem string, err error) {
	ordinary := func(n int) error {
		o := make([]byte, n)
		for i := range o {
			o[i] = ordinaryByte
		}
		return t.write(a, o)
	}
	if err := ordinary(ordinaryBefore); err != nil {
		return "", err
	}
	a.SetWriteDeadline(t.soon())
	if _, err := a.SendUrgent([]byte{urgentByte}); err != nil {
		return "", err
	}
	urgent := make([]byte, 1)
	ahead := t.takeUrgent(b, urgent)
	if err := ordinary(ordinaryAfter); err != nil {
		return "", err
	}
	if ahead != nil && !t.missing(ahead) {
		return "", ahead
	}
	before, mark, err := t.readToMark(b)
	if err != nil {
		return "", err
	}
	switch {
	case ahead != nil && t.takeUrgent(b, urgent) != nil:
		return fmt.Sprintf("it never came, not even when %d ordinary bytes had been read", before), nil
	case ahead != nil:
		return fmt.Sprintf("it did not come ahead, but when %d ordinary bytes had been read", before), nil
	case urgent[0] != urgentByte:
		return fmt.Sprintf("byte 0x%02x came as urgent, where 0x%02x was sent", urgent[0], urgentByte), nil
	case mark && before != ordinaryBefore:
		return fmt.Sprintf("its mark came after %d bytes, where it was sent after %d", before, ordinaryBefore), nil
	case before < ordinaryBefore+ordinaryAfter:
		rest, err := t.take(b, ordinaryBefore+ordinaryAfter-before)
		if t.missing(err) {
			return fmt.Sprintf("only %d of the %d ordinary bytes came", before+len(rest), ordinaryBefore+ordinaryAfter), nil
		}
		return "", err
	}
	return "", nil
}

func (t *trial) takeUrgent(s *socket.Socket, urgent []byte) error {
	ctx, cancel := t.patient()
	defer cancel()
	n, err := s.ReceiveUrgent(ctx, urgent)
	if err == nil && n == 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readToMark reads ordinary bytes up to the mark, or all of them for a kind
// that does not tell the mark's place, and returns how many there were.
func (t *trial) readToMark(s *socket.Socket) (n int, mark bool, err error) {
	buffer := make([]byte, ordinaryBefore+ordinaryAfter)
	for n < len(buffer) {
		mark, err := s.AtMark()
		switch {
		case errors.Is(err, errors.ErrUnsupported):
		case err != nil:
			return n, false, err
		case mark && n > 0:
			return n, true, nil
		}
		got, err := t.read(s, buffer[n:])
		n += len(got)
		switch {
		case t.missing(err):
			return n, false, nil
		case err != nil:
			return n, false, err
		}
	}
	return n, false, context.Cause(t.ctx)
}
