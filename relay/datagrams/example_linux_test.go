package datagrams_test

import (
	"context"
	"fmt"

	"zocalo"
	"zocalo/relay/datagrams"
	"zocalo/socket"
)

func ExampleRelay() {
	ctx, cancel := context.WithCancel(context.Background())
	target, err := zocalo.Listen(ctx, "udp4:127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer target.Close()
	front, err := zocalo.Listen(ctx, "udp4:127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	r := &datagrams.Relay{
		Dial: func(ctx context.Context, of datagrams.Session, _ []socket.Name) (*socket.Socket, error) {
			return zocalo.Dial(ctx, "udp4:"+target.Name().String())
		},
		OnEnd: func(s datagrams.Session) {
			fmt.Println("it sent", s.Result.From[0].Bytes, "bytes")
		},
	}
	name := front.Name()
	over := make(chan error)
	go func() { over <- r.Serve(ctx, ctx, front.Sockets()...) }()

	c, err := zocalo.Dial(ctx, "udp4:"+name.String())
	if err != nil {
		panic(err)
	}
	defer c.Close()
	c.Write([]byte("hola"))
	b := make([]byte, 100)
	n, err := target.Sockets()[0].Read(b)
	fmt.Printf("%s, %v\n", b[:n], err)

	cancel()
	fmt.Println(<-over)
	// Output:
	// hola, <nil>
	// it sent 4 bytes
	// <nil>
}
