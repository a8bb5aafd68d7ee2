package tls_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"zocalo"
	"zocalo/relay/join"
	"zocalo/socket"
)

// An idle connection that has carried 64 KiB each way holds little at either end, and
// no buffer of the engine that waits for it.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	const connections, most = 100, 20 << 10 // crypto/tls alone keeps 21 KiB for the next record
	data := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	var ends []*socket.Socket
	var joins sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer func() {
		cancel()
		joins.Wait()
		for _, s := range ends {
			s.Abort()
		}
	}()
	l, err := zocalo.Listen(ctx, "tls:127.0.0.1:0")
	try(t, err)
	defer l.Close()
	address := parse(t, pinned(t, l))
	open := func(n int) {
		for range n {
			accepted := make(chan *socket.Socket, 1)
			go func() {
				s, err := l.Accept(ctx)
				if err != nil {
					t.Error(err)
				}
				accepted <- s
			}()
			client, err := zocalo.DialAddress(ctx, address)
			try(t, err)
			server := <-accepted
			a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
			try(t, err)
			ends = append(ends, client, b)
			joins.Go(func() { join.Join(ctx, join.End{Socket: server}, join.End{Socket: a}, join.Options{}) })
			for _, way := range [][2]*socket.Socket{{client, b}, {b, client}} {
				go way[0].Write(data)
				got := make([]byte, len(data))
				if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("not all came: %v", err)
				}
			}
		}
	}
	held := func() int64 {
		var m runtime.MemStats
		for range 4 { // what pools keep goes, and stacks shrink
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	open(10)
	before := held()
	open(connections)
	each := (held() - before) / connections / 2
	for range 50 { // what is under way on a busy machine is not idle yet
		if each <= most {
			break
		}
		time.Sleep(100 * time.Millisecond)
		each = (held() - before) / connections / 2
	}
	t.Logf("%d bytes for each end", each)
	if each > most {
		t.Errorf("an end of an idle connection holds %d bytes, of at most %d", each, most)
	}
}
