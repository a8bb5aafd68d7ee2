package server_test

import (
	"context"
	"fmt"
	"log"

	"zocalo"
	"zocalo/server"
	"zocalo/socket"
)

// Each peer of a UDP socket has a session of its own, which is a socket like any other.
func ExampleSessions() {
	ctx, stop := context.WithCancel(context.Background())
	l, err := zocalo.Listen(ctx, "udp:127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	counts := server.Sessions{Handler: func(ctx context.Context, c *socket.Socket) {
		b := make([]byte, 2000)
		for n := 1; ; n++ {
			size, err := c.Read(b)
			if err != nil {
				return // the session is over
			}
			fmt.Fprintf(c, "%s is message %d of yours", b[:size], n)
		}
	}}
	served := make(chan error, 1)
	go func() { served <- counts.Serve(ctx, l.Sockets()...) }()

	for _, name := range []string{"ana", "eva"} {
		c, err := zocalo.Dial(ctx, l.Address())
		if err != nil {
			log.Fatal(err)
		}
		for _, word := range []string{"hola", "adiós"} {
			fmt.Fprint(c, word)
			b := make([]byte, 2000)
			n, err := c.Read(b)
			fmt.Printf("%s: %s %v\n", name, b[:n], err)
		}
		c.Close()
	}
	stop()
	fmt.Println(<-served)
	// Output:
	// ana: hola is message 1 of yours <nil>
	// ana: adiós is message 2 of yours <nil>
	// eva: hola is message 1 of yours <nil>
	// eva: adiós is message 2 of yours <nil>
	// <nil>
}
