package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"zocalo"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/xns"
	"zocalo/xns/hub"
)

// A hub on a port of loopback, and two hosts that meet there.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	l, err := zocalo.Listen(ctx, "tcp:127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	var h hub.Hub
	srv := server.Server{Handler: func(ctx context.Context, c *socket.Socket) { h.Serve(ctx, c) }}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, l) }()

	link := "hub:" + l.Name().String()
	one, err := xns.OpenHost(ctx, link, xns.HostID{2, 0, 0, 0, 0, 1})
	if err != nil {
		log.Fatal(err)
	}
	two, err := xns.OpenHost(ctx, link, xns.HostID{2, 0, 0, 0, 0, 2})
	if err != nil {
		log.Fatal(err)
	}
	two.Respond(4000, func(_ xns.Addr, _ uint16, request []byte) []byte { return append(request, '!') })
	reply, err := one.Exchange(ctx, xns.Addr{Host: two.ID(), Socket: 4000}, 0, []byte("hello"))
	fmt.Printf("%s %v\n", reply, err)
	one.Close()
	two.Close()
	cancel()
	<-served
	// Output:
	// hello! <nil>
}

// Frames as a NetHub's client sends them: the length in two bytes, then the
// frame.
func ExampleReader() {
	frame := append(bytes.Repeat([]byte{0xff}, 12), 0x06, 0x00) // to everybody, XNS
	stream := bytes.NewReader(append([]byte{0, byte(len(frame))}, frame...))

	r := hub.NewReader(stream, hub.NetHub)
	b := make([]byte, hub.Longest)
	for {
		n, err := r.Next(b)
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%d bytes of type %x\n", n, b[12:14])
	}
	// Output:
	// 14 bytes of type 0600
	// EOF
}
