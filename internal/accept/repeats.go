package accept

import (
	"errors"
	"hash/maphash"
	"time"

	"zocalo/socket"
)

// Two servers that answer everything talk for ever once a forged message has
// made one of them the other's peer. No message says so by itself, since a
// client too may send the same again and again. What ends such an exchange
// is one answer that is not given: whoever answers only has nothing more to say,
// while a client goes on and has lost one answer of many, as may be with
// datagrams at any time.
const (
	mostRepeats = 20_000      // of one message from one peer, in answer to ours, before one is not answered
	repeatPause = time.Second // a longer one is not that of a machine that answers at once
)

// Why a message is not answered.
var (
	ErrOwn   = errors.New("it says that it comes from this very socket, and was forged")
	ErrRound = errors.New("the same message came too often at once: the peer seems to answer answers, like another echo")
)

// A Repeat counts how often a message of one peer comes again.
type Repeat struct {
	sum   uint64
	size  int
	count int
	last  time.Time
}

var repeatSeed = maphash.MakeSeed()

// End notes a message, and reports whether it came so often that it is not to
// be answered. Of those of one size that begin alike one is followed at a time,
// so that several that go round end one after the other.
func (r *Repeat) End(data []byte, now time.Time) bool {
	sum := maphash.Bytes(repeatSeed, data[:min(len(data), 64)])
	switch {
	case now.Sub(r.last) > repeatPause:
		*r = Repeat{sum: sum, size: len(data), last: now}
	case sum == r.sum && len(data) == r.size:
		r.last = now
		if r.count++; r.count >= mostRepeats {
			*r = Repeat{}
			return true
		}
	}
	return false
}

// Repeats find what goes round between a socket that answers each message and some
// peer. They remember a bounded number of peers.
type Repeats [256]struct {
	peer socket.Name
	Repeat
}

// End notes a message, and reports whether it came so often that it is not to be
// answered, which ends the round.
func (rs *Repeats) End(peer socket.Name, data []byte, now time.Time) bool {
	r := &rs[maphash.Comparable(repeatSeed, peer)%uint64(len(rs))]
	if r.peer != peer {
		r.peer, r.Repeat = peer, Repeat{}
	}
	return r.Repeat.End(data, now)
}
