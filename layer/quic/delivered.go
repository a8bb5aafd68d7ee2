package quic

import (
	"reflect"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"zocalo/internal/pass"
	"zocalo/internal/sys"
)

// delivered waits until the peer has acknowledged the end of a stream and everything before
// it, or the time is over. quic-go does not report that, and then forgets the stream, so this
// looks at quic-go's own mark for it. With a version that has none, it does not wait.
func delivered(s *quicgo.Stream, most time.Duration) bool {
	send := sys.Field[*quicgo.SendStream](s, "sendStr")
	if send == nil {
		return false
	}
	mu, completed := sys.Field[sync.Mutex](*send, "mutex"), sys.Field[bool](*send, "completed")
	if mu == nil || completed == nil {
		return false
	}
	return poll(most, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return *completed
	})
}

// flushed waits until all datagrams of a connection have left, or the time is over. It looks
// into the queue in which quic-go keeps them.
func flushed(c *quicgo.Conn, most time.Duration) bool {
	locker := sys.Value(c, "datagramQueue", "sendMx")
	ring := sys.Value(c, "datagramQueue", "sendQueue", "ring")
	if !locker.IsValid() || ring.Kind() != reflect.Slice {
		return false
	}
	mu, ok := locker.Addr().Interface().(*sync.Mutex)
	return ok && poll(most, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return ring.Len() == 0 || c.Context().Err() != nil
	})
}

// poll asks again and again whether something is done, until the time is over.
func poll(most time.Duration, done func() bool) bool {
	backoff, pause := pass.Backoff{First: 50 * time.Microsecond, Last: 10 * time.Millisecond}, time.Duration(0)
	for end := time.Now().Add(most); !done(); time.Sleep(pause) {
		if time.Now().After(end) {
			return false
		}
		pause = backoff.After(pause)
	}
	return true
}
