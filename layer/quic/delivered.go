package quic

import (
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
)

// delivered waits until the peer has acknowledged the end of a stream and all before it,
// for at most so long. quic-go tells nobody when that is, and forgets the stream then: its
// own mark for that is looked at. Where a version of it has none, there is no waiting.
func delivered(s *quicgo.Stream, most time.Duration) bool {
	send := sys.Field[*quicgo.SendStream](s, "sendStr")
	if send == nil {
		return false
	}
	mu, completed := sys.Field[sync.Mutex](*send, "mutex"), sys.Field[bool](*send, "completed")
	if mu == nil || completed == nil {
		return false
	}
	backoff, pause := pass.Backoff{First: 50 * time.Microsecond, Last: 10 * time.Millisecond}, time.Duration(0)
	for end := time.Now().Add(most); ; time.Sleep(pause) {
		mu.Lock()
		done := *completed
		mu.Unlock()
		if done || time.Now().After(end) {
			return done
		}
		pause = backoff.After(pause)
	}
}
