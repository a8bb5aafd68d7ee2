package accept

import (
	"errors"
	"os"
	"time"

	"zocalo/socket"
)

// How long an answer may wait for a peer that does not read, as a unix
// datagram socket's may, while all others wait: at least the first, and the
// second where the peer did not take its last answer either, or the answer is sent
// again later.
const (
	answerPatience = 100 * time.Millisecond
	deafPatience   = time.Millisecond
)

// An AnswerTime bounds how long the peers of one socket keep each other waiting for
// answers. It keeps the socket's write deadline between one and two times
// answerPatience ahead, so that most answers need not set it, and as far as
// deafPatience for the peer that did not take its last answer, until it takes one.
type AnswerTime struct {
	Again bool // what a peer does not take is sent again later

	until time.Time
	deaf  socket.Name
}

// Begin begins an answer to a peer.
func (a *AnswerTime) Begin(s *socket.Socket, peer socket.Name) error {
	patience := answerPatience
	if a.Again || peer == a.deaf {
		patience = deafPatience
	}
	now := time.Now()
	if left := a.until.Sub(now); left >= patience && left <= 2*patience {
		return nil
	}
	a.until = now.Add(2 * patience)
	return s.SetWriteDeadline(a.until)
}

// End notes how it ended.
func (a *AnswerTime) End(peer socket.Name, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.deaf = peer
	} else if peer == a.deaf {
		a.deaf = socket.Name{}
	}
}
