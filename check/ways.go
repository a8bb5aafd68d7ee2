package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"zocalo/socket"
)

// ways is the experiment on directions: bytes go both ways at once, and one
// direction goes on after the other has ended.
func ways(t *trial) ([]Finding, error) {
	size := t.fitting(1024)
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	f := judge("ways", !t.OneWay, true)
	f.Sent = fmt.Sprintf("%d bytes from either end at once", size)
	if t.OneWay {
		f.Word, f.Seen = "one", "the reading end does not write: "+why(t.write(b, []byte{1}))
		return []Finding{f}, t.cross(a, b, size)
	}
	problems := make(chan error, 2)
	go func() { problems <- t.cross(a, b, size) }()
	go func() { problems <- t.cross(b, a, size) }()
	f.Word, f.Seen = "two", "both arrived"
	if err := errors.Join(<-problems, <-problems); err != nil {
		if !t.missing(err) && !errors.Is(err, errOther) {
			return nil, err
		}
		f.Verdict, f.Word, f.Seen = Broken, "not both", "they did not both arrive"
		return []Finding{f}, nil
	}
	if !t.Promised.Connected {
		return []Finding{f}, nil
	}
	half, err := t.halfClose(a, b)
	if err != nil {
		return nil, err
	}
	f.Seen += half
	return []Finding{f}, nil
}

var errOther = errors.New("the bytes that arrived are not those that were sent")

// cross sends so many bytes from one end to the other; of a kind that may
// lose them, again and again until they arrive, or patience ends.
func (t *trial) cross(from, to *socket.Socket, size int) error {
	tries := 1
	if !t.Promised.Reliable {
		tries = 20
	}
	sent := pattern(make([]byte, size), 0)
	for try := 1; ; try++ {
		if err := t.write(from, sent); err != nil {
			return err
		}
		got, err := t.takeWithin(t.patience/time.Duration(tries), to, size)
		switch {
		case err == nil && !bytes.Equal(got, sent):
			return errOther
		case err == nil || try == tries || !t.missing(err):
			return err
		}
	}
}

// halfClose ends one direction and tries the other.
func (t *trial) halfClose(a, b *socket.Socket) (string, error) {
	if err := a.Shutdown(socket.ShutdownWrite); errors.Is(err, errors.ErrUnsupported) {
		return "; neither can end without the other", nil
	} else if err != nil {
		return "", err
	}
	if _, err := t.read(b, make([]byte, headroom)); err != io.EOF {
		return "; after one end stopped sending, the other did not read end-of-file but " + why(err), nil
	}
	if err := t.cross(b, a, 100); err != nil {
		return "; after one had ended, the other did not go on: " + why(err), nil
	}
	return "; after one had ended, the other went on", nil
}

// descriptors is the experiment on how the program refers to a channel: a
// socket by one descriptor, a pipe by two.
func descriptors(t *trial) ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	f := Finding{Property: "descriptors", Sent: "the descriptors of one channel, counted"}
	da, okA := socket.Beneath[socket.Descriptor](a)
	db, okB := socket.Beneath[socket.Descriptor](b)
	switch {
	case !okA || !okB:
		f.Verdict, f.Word, f.Seen = NotPromised, "none", "the sockets live in this program, without a descriptor"
	case t.OneWay:
		f.Verdict, f.Word = NotPromised, "2"
		f.Seen = fmt.Sprintf("an array of two: %d reads and %d writes", db.FD(), da.FD())
	default:
		f.Verdict, f.Word = judge("descriptors", true, da.FD() >= 0 && db.FD() >= 0 && da.FD() != db.FD()).Verdict, "1"
		f.Seen = fmt.Sprintf("one at each end, %d and %d, to read and to write", da.FD(), db.FD())
	}
	return []Finding{f}, nil
}
