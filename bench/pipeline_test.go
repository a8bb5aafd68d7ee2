package bench

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"
)

// TestOvertaken has the answer to the first request held back while many
// others are answered: its time is the whole of that.
func TestOvertaken(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	const release, slow = 50, 10 // requests
	var held time.Duration
	var group sync.WaitGroup
	group.Go(func() {
		var first []byte
		var since time.Time
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			number := binary.BigEndian.Uint64(b)
			switch {
			case isGreeting(b[:n]):
			case number == 0 && first == nil:
				first, since = append(first, b[:n]...), time.Now()
				continue
			case number == release:
				held = time.Since(since)
				c.WriteToUDPAddrPort(first, from)
			case number%slow == 0:
				time.Sleep(10 * time.Millisecond)
			}
			c.WriteToUDPAddrPort(b[:n], from)
		}
	})
	r := measure(t, dialText(t, "udp:"+c.LocalAddr().String()), Options{Mode: RoundTrip, Depth: 2, Count: 2 * release})
	c.Close()
	group.Wait()
	if held == 0 || r.Latency.Max() < int64(held) {
		t.Errorf("the greatest time is %v, of an answer that was held back for %v", time.Duration(r.Latency.Max()), held)
	}
}
