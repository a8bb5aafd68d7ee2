package xns_test

import (
	"context"
	"fmt"
	"log"

	"zocalo"
	"zocalo/socket"
	"zocalo/xns"
)

// A listener on host 1 of a network in memory, and a client on another host
// of it.
func Example() {
	ctx := context.Background()
	l, err := zocalo.Listen(ctx, "spp-listen:0#1#5346,link=memory:example")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	c, err := zocalo.Dial(ctx, "spp:"+l.Name().String()+",link=memory:example")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	m := socket.Message{Buffers: [][]byte{[]byte("a message")}}
	xns.SetDatastream(&m, 7)
	if _, err := c.Send(&m); err != nil {
		log.Fatal(err)
	}
	m.SetData(make([]byte, 100))
	m.Flags = 0
	if err := s.Receive(&m); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %q, datastream %d\n", l.Name(), m.Buffers[0][:m.N], xns.DatastreamOf(&m))
	// Output: 0#1#5346: "a message", datastream 7
}

func ExampleParseAddr() {
	for _, text := range []string{"2-273#2-852-151-014#5", "41a#2.60.8c.12.34.56#14e2h", "##5346"} {
		a, err := xns.ParseAddr(text)
		fmt.Println(a, err)
	}
	// Output:
	// 8E1#AA005EE6#5 <nil>
	// 41A#2608C123456#5346 <nil>
	// 0#0#5346 <nil>
}
