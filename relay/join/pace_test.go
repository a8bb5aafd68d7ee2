package join_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// slowly lets so many bytes pass a second, a tenth of them at a time.
func slowly(rate int) func(<-chan struct{}, outcome.Side, int) int {
	return func(done <-chan struct{}, _ outcome.Side, n int) int {
		select {
		case <-done:
		case <-time.After(time.Second / 10):
		}
		return min(n, rate/10)
	}
}

// Bytes pass little by little, all of them; to wait is no idleness.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memory, memory, join.End{}, join.End{}, join.Options{Pace: slowly(1000), Idle: 50 * time.Millisecond})
		began := time.Now()
		var writer sync.WaitGroup
		writer.Go(func() {
			writes(t, j.a, strings.Repeat("x", 2000))
			j.a.Shutdown(socket.ShutdownWrite)
		})
		wants(t, j.b, strings.Repeat("x", 2000))
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("2000 bytes at 1000 a second took %v", took)
		}
		wantsEOF(t, j.b)
		writer.Wait()
		if r, err := j.over(); err != join.ErrIdle || r.How != outcome.Idle || r.From[outcome.A].Bytes != 2000 {
			t.Errorf("Join = %+v, %v", r, err)
		}
	})
}

// A message waits until all of it may pass, and an empty one does not.
func TestPaceMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := start(t, memorySeqPacket, memorySeqPacket, join.End{}, join.End{}, join.Options{Pace: slowly(1000)})
		began := time.Now()
		writes(t, j.a, "", strings.Repeat("x", 500))
		wantsMessage(t, j.b, "")
		if took := time.Since(began); took != 0 {
			t.Errorf("an empty message took %v", took)
		}
		wantsMessage(t, j.b, strings.Repeat("x", 500))
		if took := time.Since(began); took != time.Second/2 {
			t.Errorf("500 bytes at 1000 a second took %v", took)
		}
	})
}

// The end of the join ends the wait.
func TestPaceEnds(t *testing.T) {
	held := make(chan struct{})
	j := start(t, unix, unix, join.End{}, join.End{}, join.Options{Pace: func(done <-chan struct{}, _ outcome.Side, n int) int {
		close(held)
		<-done
		return n
	}})
	writes(t, j.a, "never")
	<-held
	j.end()
	if r, _ := j.over(); r.How != outcome.Cancelled || r.From[outcome.A].Bytes != 0 {
		t.Errorf("Join = %+v", r)
	}
}
