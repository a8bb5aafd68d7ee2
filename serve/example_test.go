package serve_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"

	"zocalo/process"
	"zocalo/serve"
	"zocalo/server"
	"zocalo/socket"
)

// A program that knows nothing of sockets serves one.
func ExampleProgram() {
	l, err := socket.New(socket.Inet, socket.Stream, 0)
	if err == nil {
		err = l.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0")))
	}
	if err == nil {
		err = l.Listen(0)
	}
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := &serve.Program{Command: process.Command{Args: []string{"tr", "a-z", "A-Z"}}}
		srv := &server.Server{Handler: func(ctx context.Context, c *socket.Socket) { p.Serve(ctx, c) }, Drain: server.DefaultDrain}
		srv.Serve(ctx, l)
	}()

	c, err := socket.New(socket.Inet, socket.Stream, 0)
	if err == nil {
		err = c.Connect(ctx, l.Name())
	}
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "hola")
	c.CloseWrite()
	answer, err := io.ReadAll(c)
	fmt.Print(string(answer), err, "\n")
	cancel()
	<-done
	// Output:
	// HOLA
	// <nil>
}
