// Datagrams is a server for thousands of UDP peers with one socket and one goroutine:
// each that says something is told how many have. Datagrams come and go in batches.
//
//	datagrams udp4:any:5346
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"zocalo"
	"zocalo/socket"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: datagrams ADDRESS")
	}
	if err := serve(context.Background(), os.Args[1]); err != nil {
		log.Fatalf("datagrams: %v", err)
	}
}

const (
	atOnce   = 64      // datagrams that one call takes or sends
	maxPeers = 100_000 // that are remembered
)

func serve(ctx context.Context, address string) error {
	l, err := zocalo.Listen(ctx, address)
	if err != nil {
		return err
	}
	defer l.Close()
	log.Printf("listening on %s", l.Address())
	s := l.Sockets()[0] // the only one, unless the address means several names

	seen := map[socket.Name]time.Time{} // a name is a value, and allocates nothing
	messages := make([]socket.Message, atOnce)
	var memory [atOnce][2048]byte
	for {
		for i := range messages {
			messages[i].SetData(memory[i][:])
		}
		n, err := s.ReceiveBatch(messages)
		if err != nil && !errors.Is(err, socket.ErrTruncated) {
			return err
		}
		now := time.Now()
		for i := range messages[:n] {
			seen[messages[i].Peer] = now
		}
		forget(seen, now)
		for i := range messages[:n] {
			messages[i].SetData(fmt.Appendf(memory[i][:0], "you are one of %d\n", len(seen)))
			messages[i].Ancillary.Answer() // what makes it leave by the address that was asked
		}
		for sent := 0; sent < n; {
			m, err := s.SendBatch(messages[sent:n])
			if sent += m; err != nil {
				log.Printf("to %v: %v", messages[sent].Peer, err)
				sent++ // that one is its peer's trouble
			}
		}
	}
}

// forget bounds the memory for those who have said something.
func forget(seen map[socket.Name]time.Time, now time.Time) {
	if len(seen) < maxPeers {
		return
	}
	for name, last := range seen {
		if now.Sub(last) > time.Minute {
			delete(seen, name)
		}
	}
	if len(seen) >= maxPeers {
		clear(seen) // a flood, from names that may be made up
	}
}
