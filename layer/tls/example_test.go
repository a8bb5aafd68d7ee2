package tls_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"zocalo"
	_ "zocalo/layer/tls"
)

// A server and a client by TLS. A listener without cert= makes a certificate up, and
// Reach has the pin by which a client knows it.
func Example() {
	ctx := context.Background()
	l, err := zocalo.Listen(ctx, "tls:127.0.0.1:0,alpn=echo")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept(ctx) // once the handshake is done
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(c, c)
	}()

	c, err := zocalo.Dial(ctx, l.Address()+",alpn=echo")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, f := range c.Facts() {
		if f.Name == "version" || f.Name == "alpn" {
			fmt.Println(f.Name, f.Value)
		}
	}
	fmt.Fprint(c, "Hello world!")
	c.CloseWrite() // the client's close_notify; the answer still comes
	answer, err := io.ReadAll(c)
	fmt.Printf("%s, %v\n", answer, err)
	// Output:
	// version TLSv1.3
	// alpn echo
	// Hello world!, <nil>
}
