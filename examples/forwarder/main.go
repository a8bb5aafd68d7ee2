// Forwarder passes what comes to one address on to another, and says of each pair how
// much passed and how it ended.
//
//	forwarder tcp-listen:127.0.0.1:8080 unix:/run/web.sock
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/relay"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: forwarder FROM TO")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := forward(ctx, os.Args[1], os.Args[2]); err != nil {
		log.Fatalf("forwarder: %v", err)
	}
}

func forward(ctx context.Context, from, to string) error {
	r := relay.Relay{Config: relay.Config{Limits: relay.Limits{Idle: time.Hour, Drain: 5 * time.Second}, Hooks: relay.Hooks{
		Listening: func(l *zocalo.Listener, _ address.Address) error {
			log.Printf("listening on %s", l.Address())
			return nil
		},
		Ended: func(p relay.Pair) {
			there, back := p.Result.From[relay.A].Bytes, p.Result.From[relay.B].Bytes
			fmt.Printf("%s and %s: %d bytes there, %d back, %v\n", p.Peer, p.Target, there, back, p.Result.How)
		},
	}}}
	var err error
	if r.From, err = address.Parse(from); err != nil {
		return err
	}
	a, err := address.Parse(to)
	if err != nil {
		return err
	}
	r.To = []address.Address{a}
	return r.Run(ctx)
}
