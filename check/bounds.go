package check

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"syscall"

	"zocalo/internal/units"
	"zocalo/socket"
)

// bounded is the experiment on message boundaries.
func bounded(t *trial) ([]Finding, error) {
	var f Finding
	var err error
	if t.Promised.Bounded {
		f, err = boundaries(t)
	} else {
		f, err = noBoundaries(t)
	}
	return []Finding{f}, err
}

// The two sizes that the sends have in turn.
const (
	smallSend = 100
	largeSend = 300
)

// boundaries sees whether every send arrives as one message: many of two
// sizes, an empty one, and one that is larger than the buffer it is read to.
func boundaries(t *trial) (Finding, error) {
	const sends = 64
	f := Finding{Property: "bounded"}
	a, b, err := t.pair()
	if err != nil {
		return f, err
	}
	got, err := t.transfer(a, b, sends, func(i int) int { return smallSend + i%2*(largeSend-smallSend) }, false)
	if err != nil {
		return f, err
	}
	f = judgeFault("bounded", true, got.misbounded, "stay apart", "%d did not arrive as single messages: %s")
	f.Sent = fmt.Sprintf("%d messages of %d and %d bytes in turn", sends, smallSend, largeSend)
	if f.Verdict == Broken {
		f.Word = "do not stay separate"
		return f, nil
	}
	f.Seen = "each read gave one of them"

	// The rest needs a pair without end marks in it.
	if a, b, err = t.pair(); err != nil {
		return f, err
	}
	if err := t.write(a, nil); err != nil {
		f.Seen += "; an empty one is refused: " + why(err)
	} else if err := emptyArrives(t, b); err != "" {
		f.Verdict, f.Word = Broken, "an empty one is lost"
		f.Seen += "; of an empty one, " + err
		return f, nil
	} else {
		f.Seen += "; an empty one arrives too"
	}
	if err := t.write(a, make([]byte, smallSend)); err != nil {
		return f, err
	}
	b.SetReadDeadline(t.soon())
	n, err := b.Read(make([]byte, 10))
	switch {
	case errors.Is(err, socket.ErrTruncated):
		f.Seen += fmt.Sprintf("; %d bytes read into a buffer of 10 are cut, and the error says so", smallSend)
	case err == nil:
		f.Verdict, f.Word = Broken, "silently truncated"
		f.Seen += fmt.Sprintf("; of %d bytes, a buffer of 10 got %d, and nothing reports the rest", smallSend, n)
	default:
		return f, err
	}
	return f, nil
}

// emptyArrives reads the empty message, and returns what came in its place.
func emptyArrives(t *trial, s *socket.Socket) string {
	b, err := t.read(s, make([]byte, headroom))
	switch {
	case err != nil && !t.missing(err):
		return "the reader got " + why(err)
	case err != nil && t.Promised.Reliable:
		return "the reader got nothing"
	case len(b) > 0:
		return fmt.Sprintf("the reader got %s bytes", units.Count(len(b)))
	}
	return ""
}

// noBoundaries sees that a stream forgets how it was written: a send can be
// read in parts, and two sends in one read.
func noBoundaries(t *trial) (Finding, error) {
	const tries = 32
	f := judge("bounded", false, false)
	a, b, err := t.pair()
	if err != nil {
		return f, err
	}
	f.Sent = fmt.Sprintf("two sends, of %d and %d bytes", smallSend, largeSend)
	f.Word, f.Seen = "stayed apart", "no read gave bytes of both"
	buffer := make([]byte, smallSend+largeSend)
	for range tries {
		for _, size := range []int{smallSend, largeSend} {
			if err := t.write(a, make([]byte, size)); err != nil {
				return f, err
			}
		}
		for total := 0; total < smallSend+largeSend; {
			got, err := t.read(b, buffer)
			if err != nil {
				return f, err
			}
			if len(got) != smallSend && len(got) != largeSend {
				f.Word, f.Seen = "joined", fmt.Sprintf("one read gave %s bytes", units.Count(len(got)))
			}
			total += len(got)
		}
		if f.Word == "joined" {
			break
		}
	}
	return f, nil
}

// The search for the largest message goes up to beyondLargest; a stream is
// given one send of largeStream.
const (
	beyondLargest = 1 << 22
	largeStream   = 1 << 20
)

// largest is the experiment on the size of one send.
func largest(t *trial) ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	if t.Promised.Bounded {
		f, err := largestMessage(t, a, b)
		return []Finding{f}, err
	}
	f := Finding{Property: "largest", Sent: fmt.Sprintf("one send of %s", units.Size(largeStream))}
	data := pattern(make([]byte, largeStream), 0)
	sent := make(chan error, 1)
	go func() { sent <- t.write(a, data) }()
	got, err := t.take(b, largeStream)
	if err != nil && !t.missing(err) {
		return nil, err
	}
	a.SetWriteDeadline(past)
	if err := <-sent; err != nil && !t.missing(err) {
		return nil, err
	}
	verdict := judge("largest", t.Promised.Reliable, bytes.Equal(got, data))
	f.Verdict, f.Word = verdict.Verdict, "no limit"
	f.Seen = "all of it arrived, in as many reads as it took"
	if !bytes.Equal(got, data) {
		f.Word, f.Seen = "not all", fmt.Sprintf("%s bytes arrived, not all as they were sent", units.Count(len(got)))
	}
	return []Finding{f}, nil
}

// largestMessage searches for the size up to which messages are taken, and
// sees that they arrive whole, and that what is larger is refused.
func largestMessage(t *trial, a, b *socket.Socket) (Finding, error) {
	f := Finding{Property: "largest"}
	data := pattern(make([]byte, beyondLargest), 0)
	var failure error  // something else went wrong
	var refusal error  // of the smallest size that was refused
	var mangled string // a message that was taken, and did not arrive as sent
	tooLarge := sort.Search(beyondLargest, func(i int) bool {
		if failure != nil || mangled != "" {
			return true
		}
		size := i + 1
		got, sendErr, err := t.across(a, b, data[:size])
		if err := sendErr; err != nil {
			if !errors.Is(err, syscall.EMSGSIZE) && !errors.Is(err, syscall.ENOBUFS) && !t.missing(err) {
				failure = err
			}
			refusal = err
			return true
		}
		switch {
		case t.missing(err):
			refusal = errors.New("it is accepted, but does not arrive")
			if t.Promised.Reliable {
				mangled = fmt.Sprintf("one of %s bytes was accepted, but did not arrive", units.Count(size))
			}
			return true
		case err != nil && !errors.Is(err, socket.ErrTruncated):
			failure = err
			return true
		case !bytes.Equal(got, data[:size]):
			mangled = fmt.Sprintf("one of %s bytes was accepted, and %s arrived that are not the same", units.Count(size), units.Count(len(got)))
		}
		return mangled != ""
	})
	if failure != nil {
		return f, failure
	}
	f = judge("largest", true, mangled == "")
	f.Sent = "messages of 1 byte and more, in search of the largest"
	switch {
	case mangled != "":
		f.Word, f.Seen = "mangled", mangled
		return f, nil
	case tooLarge == beyondLargest:
		f.Word, f.Seen = "4 MiB or more", fmt.Sprintf("%s bytes arrived whole; larger ones were not tried", units.Count(beyondLargest))
	default:
		f.Word = fmt.Sprint(tooLarge)
		f.Seen = fmt.Sprintf("%s bytes arrived whole; one more is refused: %s", units.Count(tooLarge), why(refusal))
	}
	f.Figures = []Figure{{"largest", float64(tooLarge), "bytes"}}
	return f, nil
}

// across writes a message to a while it takes one from b: a kind may take as much as its buffers hold,
// and then wait for the reader.
func (t *trial) across(a, b *socket.Socket, data []byte) (got []byte, sendErr, err error) {
	b.SetReadDeadline(t.soon())
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		got, err = t.takeNext(b, len(data))
	}()
	if sendErr = t.write(a, data); sendErr != nil {
		b.SetReadDeadline(past)
	}
	<-taken
	return got, sendErr, err
}

// pattern fills b with bytes that tell their place in a stream, b beginning
// at that offset.
func pattern(b []byte, offset int) []byte {
	for i := range b {
		n := uint32(offset + i)
		b[i] = byte(n*2654435761>>24) ^ byte(n)
	}
	return b
}
