// Mutual-tls is a server that knows its clients by their certificates, and a client.
//
//	zocalo cert . localhost --client ana
//	mutual-tls serve tls:localhost:8443,cert=server.pem,client-ca=ca.pem
//	mutual-tls ask tls:localhost:8443,ca=ca.pem,cert=client.pem
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"zocalo"
	_ "zocalo/layer/tls"
	"zocalo/server"
	"zocalo/socket"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: mutual-tls serve|ask ADDRESS")
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(context.Background(), os.Args[2])
	case "ask":
		err = ask(context.Background(), os.Args[2])
	default:
		err = errors.New("serve or ask is meant")
	}
	if err != nil {
		log.Fatalf("mutual-tls: %v", err)
	}
}

func serve(ctx context.Context, address string) error {
	l, err := zocalo.Listen(ctx, address)
	if err != nil {
		return err
	}
	// A handshake that fails is the client's trouble, and here for the log.
	l.OnHandshake(func(c *socket.Socket, err error) {
		if err != nil {
			log.Printf("%v was turned away: %v", c.Peer(), err)
		}
	})
	log.Printf("listening on %s", l.Address())
	s := server.Server{Handler: func(_ context.Context, c *socket.Socket) {
		for _, f := range c.Facts() {
			if f.Name == socket.CertificateName {
				fmt.Fprintf(c, "Hello, %s!\n", f.Value)
			}
		}
		c.CloseWrite()
	}}
	return s.Serve(ctx, l)
}

func ask(ctx context.Context, address string) error {
	c, err := zocalo.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.Copy(os.Stdout, c) // with TLS 1.3 a refusal of our certificate comes here
	return err
}
