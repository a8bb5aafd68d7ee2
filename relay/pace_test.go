package relay_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay"
	"zocalo/socket"
)

// slowly lets so many octets pass a second, a tenth of them at a time.
func slowly(rate int) func(<-chan struct{}, relay.Side, int) int {
	return func(done <-chan struct{}, _ relay.Side, n int) int {
		select {
		case <-done:
		case <-time.After(time.Second / 10):
		}
		return min(n, rate/10)
	}
}

// Octets pass little by little, all of them; to wait is no idleness.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memory, relay.End{}, relay.End{}, relay.Options{Pace: slowly(1000), Idle: 50 * time.Millisecond})
		began := time.Now()
		var writer sync.WaitGroup
		writer.Go(func() {
			writes(t, j.a, strings.Repeat("x", 2000))
			j.a.Shutdown(socket.Write)
		})
		wants(t, j.b, strings.Repeat("x", 2000))
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("2000 octets at 1000 a second took %v", took)
		}
		wantsEOF(t, j.b)
		writer.Wait()
		if r, err := j.over(); err != nil || r.How != relay.Idle || r.From[relay.A].Octets != 2000 {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// A message waits until all of it may pass, and an empty one does not.
func TestPaceMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memorySeqPacket, memorySeqPacket, relay.End{}, relay.End{}, relay.Options{Pace: slowly(1000)})
		began := time.Now()
		writes(t, j.a, "", strings.Repeat("x", 500))
		wantsMessage(t, j.b, "")
		if took := time.Since(began); took != 0 {
			t.Errorf("an empty message took %v", took)
		}
		wantsMessage(t, j.b, strings.Repeat("x", 500))
		if took := time.Since(began); took != time.Second/2 {
			t.Errorf("500 octets at 1000 a second took %v", took)
		}
	})
}

// The end of the join ends the wait.
func TestPaceEnds(t *testing.T) {
	held := make(chan struct{})
	j := start(t, unix, unix, relay.End{}, relay.End{}, relay.Options{Pace: func(done <-chan struct{}, _ relay.Side, n int) int {
		close(held)
		<-done
		return n
	}})
	writes(t, j.a, "never")
	<-held
	j.end()
	if r, _ := j.over(); r.How != relay.Cancelled || r.From[relay.A].Octets != 0 {
		t.Errorf("Join = %+v", r)
	}
}
