// Datagrams is a server for thousands of UDP peers with one socket and one goroutine:
// each peer that says something within a second is told how many there are. What comes
// and goes does so in batches.
//
//	datagrams udp:any:5346
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

func serve(ctx context.Context, address string) error {
	l, err := zocalo.Listen(ctx, address)
	if err != nil {
		return err
	}
	defer l.Close()
	log.Printf("listening on %s", l.Reach())
	s := l.Sockets()[0]
	defer context.AfterFunc(ctx, func() { s.Close() })()

	seen := map[socket.Name]time.Time{}
	messages := make([]socket.Message, 64)
	memory := make([]byte, 64*2048)
	answers := make([]byte, 64*64)
	for {
		for i := range messages {
			messages[i].SetData(memory[2048*i:][:2048])
		}
		n, err := s.ReceiveBatch(messages)
		if err != nil && !errors.Is(err, socket.ErrTruncated) {
			return err
		}
		now := time.Now()
		for i := range messages[:n] {
			seen[messages[i].Peer] = now
		}
		if len(seen) > 100_000 {
			for name, last := range seen {
				if now.Sub(last) > time.Minute {
					delete(seen, name)
				}
			}
		}
		for i := range messages[:n] {
			answer := fmt.Appendf(answers[64*i:][:0], "you are one of %d\n", len(seen))
			messages[i].SetData(answer)
			messages[i].Ancillary.Answer()
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
