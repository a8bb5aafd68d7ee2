package echo_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"zocalo/echo"
	"zocalo/socket"
)

// Each message of a datagram socket goes back to its sender.
func ExampleEchoer_Datagrams() {
	loopback := socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))
	s, _ := socket.New(socket.Inet, socket.Datagram, 0)
	defer s.Close()
	client, _ := socket.New(socket.Inet, socket.Datagram, 0)
	defer client.Close()
	if err := s.Bind(loopback); err != nil {
		log.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var e echo.Echoer
	e.OnMessage = func(peer socket.Name, size int) { stop() } // after the first
	client.Connect(ctx, s.Name())
	client.Write([]byte("one message"))
	if err := e.Datagrams(ctx, s); err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 64)
	n, _ := client.Read(b)
	fmt.Printf("%s; %+v\n", b[:n], e.Counts())
	// Output: one message; {Messages:1 Bytes:11 Refused:0 Unanswered:0}
}
