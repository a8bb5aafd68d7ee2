package relay_test

import (
	"testing"
	"time"
)

// A client of ISO transport that opens and closes connections one after the other,
// as python-snap7 does, never holds more than one place at the far end: each far
// connection is gone with its near one.
func TestShortConnections(t *testing.T) {
	l := listen(t, "iso:127.0.0.1:0")
	r := relays(t, nil, "iso-listen:127.0.0.1:0", addressOf(t, "iso:127.0.0.1:0", l))
	at := r.address()
	longest := time.Duration(0)
	for range 50 {
		c := dial(t, at)
		s := accept(t, l)
		writes(t, c, "question")
		wantsMessage(t, s, "question")
		writes(t, s, "answer")
		wantsMessage(t, c, "answer")
		began := time.Now()
		try(t, c.Close())
		wantsEOF(t, s)
		longest = max(longest, time.Since(began))
		try(t, s.Close())
	}
	t.Logf("a far connection was gone at most %v after its near one", longest)
	for range 50 {
		if p := r.ended(); p.Err != nil {
			t.Errorf("a pair ended as %+v", p)
		}
	}
}
