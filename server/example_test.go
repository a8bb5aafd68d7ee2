package server_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"

	"zocalo/echo"
	"zocalo/server"
	"zocalo/socket"
)

// The lecture's echo server, for any number of clients.
func ExampleServer() {
	s, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		log.Fatal(err)
	}
	// Port 0 lets the system choose; the lecture's is 5346.
	if err := s.Bind(socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))); err != nil {
		log.Fatal(err)
	}
	if err := s.Listen(0); err != nil {
		log.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	echo := server.Server{
		MaxConns: 100,
		Drain:    server.DefaultDrain,
		Handler: func(ctx context.Context, c *socket.Socket) {
			fmt.Println("connected by", c.Peer().AddrPort().Addr())
			if err := echo.Connection(ctx, c); err != nil {
				log.Print(err)
			}
		},
	}
	go func() { served <- echo.Serve(ctx, s) }()

	client, err := socket.New(socket.Inet, socket.Stream, 0)
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Connect(ctx, s.Name()); err != nil {
		log.Fatal(err)
	}
	io.WriteString(client, "¡Hola!")
	client.Shutdown(socket.ShutdownWrite)
	answer, _ := io.ReadAll(client)
	client.Close()
	fmt.Printf("received: %s\n", answer)

	stop()
	fmt.Println("served:", <-served)
	// Output:
	// connected by 127.0.0.1
	// received: ¡Hola!
	// served: <nil>
}

func ExampleParseList() {
	list, err := server.ParseList([]string{"10.0.0.0/8", "::1"})
	if err != nil {
		log.Fatal(err)
	}
	for _, peer := range []string{"10.1.2.3:80", "[::ffff:10.1.2.3]:80", "192.0.2.1:80"} {
		fmt.Println(peer, list.Contains(socket.InetName(netip.MustParseAddrPort(peer))))
	}
	_, err = server.ParseList([]string{"10.0.0.1/8"})
	fmt.Println(err)
	// Output:
	// 10.1.2.3:80 true
	// [::ffff:10.1.2.3]:80 true
	// 192.0.2.1:80 false
	// "10.0.0.1/8" has bits set beyond its prefix: write 10.0.0.0/8 for the whole network, or 10.0.0.1 for the one address
}
